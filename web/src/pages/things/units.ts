// The list of units that the editor offers; others are typed.
import { language } from '../../i18n';
import { unitWords } from '../../i18n/wordsUnits';

export interface UnitChoice {
  code: string;
  words: string;
}

/** Units whose code or words hold what was typed; the code itself first, then those that begin with it. */
export function findUnits(typed: string): UnitChoice[] {
  const text = typed.trim().toLowerCase();
  const begins = (code: string) => (code === typed.trim() ? 0 : code.toLowerCase().startsWith(text) ? 1 : 2);
  return unitWords
    .filter((words) => words.some((word) => word.toLowerCase().includes(text)))
    .sort((a, b) => begins(a[0]) - begins(b[0]))
    .map(([code, zh, en]) => ({ code, words: language() === 'zh' ? zh : en }));
}
