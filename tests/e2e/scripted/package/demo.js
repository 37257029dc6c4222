/* A package as Cockpit's guide describes one: it echoes a word through the shell. */
document.addEventListener("DOMContentLoaded", () => {
    const channel = cockpit.channel({ payload: "echo" });
    channel.addEventListener("message", (_event, data) => {
        document.getElementById("answer").textContent = `echo says ${data}`;
    });
    channel.send("hello");
});
