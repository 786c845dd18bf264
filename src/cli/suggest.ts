/**
 * What a person may have meant who mistyped a word.
 *
 * @module
 */

/** Words that differ more are others. */
const MOST_EDITS = 3;
const LEAST_LIKENESS = 0.4;

/** The words that are nearest to one that was typed. */
export function suggest(typed: string, words: readonly string[]): string {
  let nearest: string[] = [];
  let fewest = MOST_EDITS + 1;
  for (const word of words) {
    const edits = distance(strip(typed), strip(word));
    const length = Math.max(strip(typed).length, strip(word).length);
    if (edits > fewest || edits > MOST_EDITS) continue;
    if ((length - edits) / length <= LEAST_LIKENESS) continue;
    if (edits < fewest) nearest = [];
    fewest = edits;
    nearest.push(word);
  }
  if (nearest.length === 0) return "";
  const which = nearest.sort().join(", ");
  return ` (Did you mean ${nearest.length > 1 ? "one of " : ""}${which}?)`;
}

/** Two hyphens that all options have make none of them more alike. */
function strip(word: string): string {
  return word.replace(/^--/, "");
}

/** How many letters must be added, removed, changed, or swapped with the next one. */
function distance(one: string, other: string): number {
  let before: number[] = [];
  let last = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (let i = 1; i <= one.length; i++) {
    const row = [i];
    for (let j = 1; j <= other.length; j++) {
      const change = one[i - 1] === other[j - 1] ? 0 : 1;
      row[j] = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + change);
      const swapped = i > 1 && j > 1 && one[i - 1] === other[j - 2] &&
        one[i - 2] === other[j - 1];
      if (swapped) row[j] = Math.min(row[j]!, before[j - 2]! + 1);
    }
    [before, last] = [last, row];
  }
  return last[other.length]!;
}
