// Many images are shown some at a time; without scripts they are all there.
for (const box of document.querySelectorAll("[data-paged]")) {
  const size = Number(box.dataset.paged), tiles = [...box.children];
  if (tiles.length <= size) continue;
  const bar = document.createElement("div"), range = document.createElement("span");
  bar.className = "pager";
  range.setAttribute("aria-live", "polite");
  let first = 0;
  const show = (index) => {
    first = Math.max(0, Math.min(index, Math.floor((tiles.length - 1) / size) * size));
    tiles.forEach((tile, n) => { tile.hidden = n < first || n >= first + size; });
    range.textContent =
      `${first + 1} to ${Math.min(first + size, tiles.length)} of ${tiles.length}`;
    back.disabled = first === 0;
    forward.disabled = first + size >= tiles.length;
  };
  const button = (words, step) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = words;
    made.onclick = () => show(first + step);
    return made;
  };
  const back = button("Previous", -size), forward = button("Next", size);
  bar.append(back, range, forward);
  box.before(bar);
  show(0);
}
