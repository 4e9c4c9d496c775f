// What main.tsx does before anything is shown.
import { language, loadWords } from '../../src/i18n';

await loadWords(language());
