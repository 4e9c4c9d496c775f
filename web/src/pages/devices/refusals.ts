// Why a row was refused, in words.
import { isWord, t } from '../../i18n';
import type { RowFault } from './mapping';

export function faultText(fault: RowFault): string {
  const key = `refusal.${fault.code}`;
  const word = isWord(key) ? t(key) : fault.code;
  return fault.detail && fault.code !== 'id_missing' && fault.code !== 'exists' ? `${word}: ${fault.detail}` : word;
}
