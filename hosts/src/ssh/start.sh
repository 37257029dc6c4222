# What a shell on another machine does to start a bridge there, for there.rs. It comes by standard input, and so do
# all values: lines of assignments before this. It is one group, so that nothing of it is left to be read when the bridge
# reads on. What it says stands in lines that begin with PILOTHOUSE; POSIX sh, and the programs of coreutils or busybox.
{
    say() { printf '\nPILOTHOUSE %s\n' "$*"; }
    none() { say "none $tried"; exit 0; }

    # Runs the file if it is what it should be. It is opened once: what was checked is what is run.
    run_checked() {
        [ -r "$1" ] && [ -x "$1" ] || return 1
        exec 9< "$1"
        sum=$(sha256sum <&9)
        if [ "${sum%% *}" != "$digest" ]; then
            exec 9<&-
            return 1
        fi
        say "run $1"
        if [ -e /proc/self/fd/9 ]; then exec /proc/self/fd/9; else exec "$1"; fi
    }

    for name in pilothouse-bridge cockpit-bridge; do
        if command -v "$name" > /dev/null 2>&1; then
            say "run $name"
            exec "$name"
        fi
        tried="${tried}$name is not installed; "
    done

    case "$(uname -s) $(uname -m)" in
        "Linux x86_64") sent=$x86_64 ;;
        "Linux aarch64") sent=$aarch64 ;;
        *) sent= ;;
    esac
    digest=${sent%% *}
    size=${sent##* }
    if [ -z "$sent" ]; then
        tried="${tried}there is none to send for $(uname -s) $(uname -m)"
        none
    fi
    if ! command -v sha256sum > /dev/null 2>&1; then
        tried="${tried}one that is sent could not be checked without sha256sum"
        none
    fi

    umask 077
    for base in "$HOME/.local/lib" "$XDG_RUNTIME_DIR"; do
        case $base in /*) ;; *) continue ;; esac
        folder=$base/pilothouse/$digest
        file=$folder/pilothouse-bridge
        new=$folder/.new.$$
        run_checked "$file"
        if ! { mkdir -p "$folder" && chmod 700 "$folder" && : > "$new"; } 2> /dev/null; then
            tried="${tried}$base cannot be written; "
            continue
        fi
        chmod 700 "$new"
        if ! [ -x "$new" ]; then
            rm -f "$new"
            tried="${tried}programs cannot be run from $base; "
            continue
        fi
        say "send $(uname -m)"
        if ! head -c "$size" > "$new"; then
            rm -f "$new"
            tried="${tried}$base has no room"
            none
        fi
        sum=$(sha256sum < "$new")
        if [ "${sum%% *}" != "$digest" ]; then
            rm -f "$new"
            tried="${tried}what arrived in $base is not what was sent"
            none
        fi
        mv -f "$new" "$file" && run_checked "$file"
        tried="${tried}$file is not what was written"
        none
    done
    none
}
