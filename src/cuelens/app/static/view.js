
function switches(root) {
  const view = root.querySelector(".view[data-token]");
  if (!view) return;
  for (const button of root.querySelectorAll(".switch")) {
    button.addEventListener("click", async () => {
      button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") !== "true");
      const part = button.dataset.part;
      const of = [...root.querySelectorAll(`.switch[data-part="${part}"]`)];
      const off = of.filter((other) => other.getAttribute("aria-pressed") === "false");
      for (const other of root.querySelectorAll(`.tint[data-band]`)) {
        if (part === "units") other.classList.toggle("off", off.some((one) => one.closest("tr").dataset.band === other.dataset.band));
      }
      const place = root.querySelector(`.switched[data-part="${part}"]`);
      const asked = { token: view.dataset.token, part, off: off.map((one) => Number(one.dataset.index)) };
      const order = String(Number(place.dataset.order || 0) + 1);
      place.dataset.order = order;
      const html = await server.switched(JSON.stringify(asked));
      if (place.dataset.order !== order) return;
      root.querySelectorAll("audio").forEach((player) => player.pause());
      place.innerHTML = html;
      const player = place.querySelector("audio");
      if (player) player.play().catch(() => {});
    });
  }
}
/* On a narrow screen the result lies below what was asked: go there once, and stay with it. */
function lead(root) {
  const heading = root.querySelector("header h1");
  const asked = document.body.dataset;
  if (!asked.asked || !root.querySelector(".answers") || !matchMedia("(max-width: 820px)").matches) return;
  heading.tabIndex = -1;
  if (asked.asked !== "led") root.closest("#answer").scrollIntoView();
  if (asked.asked !== "led" || document.activeElement === document.body) heading.focus({ preventScroll: true });
  asked.asked = "led";
}
bind(element);
switches(element);
watch("value", () => { bind(element); switches(element); lead(element); });
