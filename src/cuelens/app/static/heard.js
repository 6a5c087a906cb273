
function heard() {
  bind(element);
  const player = element.querySelector(".heard audio");
  if (player) player.play().catch(() => {});
}
watch("value", heard);
