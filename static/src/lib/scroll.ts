/** Scrolls a list, and nothing around it, until one of its children is seen. */
export function reveal(list: HTMLElement | null, index: number): void {
  const child = list?.children[index];
  if (!list || !(child instanceof HTMLElement)) return;
  const [outer, inner] = [list.getBoundingClientRect(), child.getBoundingClientRect()];
  if (inner.top < outer.top) list.scrollTop -= outer.top - inner.top + 6;
  else if (inner.bottom > outer.bottom) list.scrollTop += inner.bottom - outer.bottom + 6;
}
