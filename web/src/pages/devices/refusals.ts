// Why a row was refused, in words.
import { t, type WordKey } from '../../i18n';
import { words } from '../../i18n/words';
import type { RowFault } from './mapping';

export function faultText(fault: RowFault): string {
  const key = `refusal.${fault.code}`;
  const word = key in words ? t(key as WordKey) : fault.code;
  return fault.detail && fault.code !== 'id_missing' && fault.code !== 'exists' ? `${word}: ${fault.detail}` : word;
}
