"use strict";
const picture = document.getElementById("picture");
const playhead = document.getElementById("playhead");
const players = [...document.querySelectorAll("audio")];

document.getElementById("tint").addEventListener("change", (event) => {
  picture.classList.toggle("plain", !event.target.checked);
});

for (const element of document.querySelectorAll("[data-band]")) {
  const together = document.querySelectorAll(`[data-band="${element.dataset.band}"]`);
  const light = (on) => together.forEach((other) => other.classList.toggle("lit", on));
  element.addEventListener("mouseenter", () => light(true));
  element.addEventListener("mouseleave", () => light(false));
}

let playing = null;
function follow() {
  if (!playing) return;
  playhead.style.left = `${(100 * playing.currentTime) / playing.duration}%`;
  requestAnimationFrame(follow);
}
for (const player of players) {
  player.addEventListener("play", () => {
    players.filter((other) => other !== player).forEach((other) => other.pause());
    playing = player;
    playhead.hidden = false;
    follow();
  });
  player.addEventListener("ended", () => { playhead.hidden = true; playing = null; });
}
picture.addEventListener("click", (event) => {
  const player = playing || players[0];
  if (!player.duration) return;
  const box = picture.getBoundingClientRect();
  player.currentTime = (player.duration * (event.clientX - box.left)) / box.width;
  player.play();
});
