// Why a row was refused, in words.
import { isWord, t } from '../../i18n';
import { UNITS } from '../../components/UnitsCorrected';
import type { RowFault } from './mapping';

/** The properties and units of a refusal, without the sentence in front. */
export function unitsText(detail = ''): string {
  return detail.includes(': ') ? detail.slice(detail.indexOf(': ') + 2) : detail;
}

export function faultText(fault: RowFault): string {
  const key = `refusal.${fault.code}`;
  const word = isWord(key) ? t(key) : fault.code;
  if (fault.code === UNITS) return `${word}: ${unitsText(fault.detail)}`;
  return fault.detail && fault.code !== 'id_missing' && fault.code !== 'exists' ? `${word}: ${fault.detail}` : word;
}
