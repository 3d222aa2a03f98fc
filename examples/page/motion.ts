// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * Motion, for those who like it.
 *
 * @module
 */

const still = matchMedia("(prefers-reduced-motion: reduce)");

/** Moves an element, or does nothing where the visitor wants less motion. Settles when that has ended. */
export async function animate(
  element: Element,
  frames: Keyframe[],
  duration: number,
): Promise<void> {
  if (still.matches) return;
  // It is cut short where the element is removed meanwhile: then there is nothing left to show.
  await element.animate(frames, { duration, easing: "ease-out" }).finished.catch(() => {});
}
