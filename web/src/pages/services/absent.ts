/** What is said on a host that has no systemd: the overview and the Services pages ask it the same. */

import { _ } from "../../i18n";
import { pageProblem, type Problem, problemOf } from "../../ui/problem";

/** Reads what was thrown by a client of `org.freedesktop.systemd1`. */
export function systemdProblem(error: unknown): Problem {
    const problem = problemOf(error);
    if (problem.code !== "not-found") return problem;
    return pageProblem("no-systemd", _("This host does not run systemd, so its services cannot be shown here."));
}
