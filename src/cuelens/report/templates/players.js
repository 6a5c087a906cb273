"use strict";
/* Makes the players, playheads and moments below an element work together. */
function bind(root) {
  const timed = [...root.querySelectorAll(".timed")];
  const playheads = [...root.querySelectorAll(".timed .playhead")];
  const players = [...root.querySelectorAll("audio")];
  const ofClip = (player) => !player.closest(".references");
  const clipPlayer = root.querySelector("audio.clip") || players[0];

  for (const toggle of root.querySelectorAll(".tinttoggle")) {
    const picture = toggle.closest(".spectrogram").querySelector(".picture");
    toggle.addEventListener("change", () => picture.classList.toggle("plain", !toggle.checked));
  }

  for (const element of root.querySelectorAll("[data-band]")) {
    const together = root.querySelectorAll(`[data-band="${element.dataset.band}"]`);
    const light = (on) => together.forEach((other) => other.classList.toggle("lit", on));
    element.addEventListener("mouseenter", () => light(true));
    element.addEventListener("mouseleave", () => light(false));
  }

  let playing = null;
  let stopAt = null;
  function follow() {
    if (!playing) return;
    for (const playhead of playheads) playhead.style.left = `${(100 * playing.currentTime) / playing.duration}%`;
    if (stopAt !== null && playing.currentTime >= stopAt) {
      playing.pause();
      stopAt = null;
      return;
    }
    requestAnimationFrame(follow);
  }
  for (const player of players) {
    player.addEventListener("play", () => {
      players.filter((other) => other !== player).forEach((other) => other.pause());
      if (!ofClip(player)) return;
      playing = player;
      playheads.forEach((playhead) => { playhead.hidden = false; });
      follow();
    });
    player.addEventListener("ended", () => {
      playheads.forEach((playhead) => { playhead.hidden = true; });
      playing = null;
      stopAt = null;
    });
    player.addEventListener("pause", () => {
      root.querySelectorAll(".window.playing").forEach((other) => other.classList.remove("playing"));
    });
  }
  for (const picture of timed) {
    picture.addEventListener("click", (event) => {
      const player = playing || clipPlayer;
      if (!player.duration || event.target.closest(".window")) return;
      const box = picture.getBoundingClientRect();
      stopAt = null;
      player.currentTime = (player.duration * (event.clientX - box.left)) / box.width;
      player.play();
    });
  }
  for (const button of root.querySelectorAll(".window")) {
    button.addEventListener("click", () => {
      players.forEach((player) => player.pause());
      stopAt = Number(button.dataset.end);
      clipPlayer.currentTime = Number(button.dataset.start);
      clipPlayer.play();
      button.classList.add("playing");
    });
  }
}
