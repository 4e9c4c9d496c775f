import { apiUrl, csrfHeader, Problem } from '../../api/client';
import { language } from '../../i18n';
import type { Target } from './bulk';
import { saveBlob } from './importFile';

/** Asks for a file of the devices meant and saves it. */
export async function exportPicked(target: Target, format: string, encoding: string): Promise<void> {
  const response = await fetch(apiUrl('devices/export'), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'Accept-Language': language(), ...csrfHeader() },
    body: JSON.stringify({ ...target, format, encoding: format === 'csv' ? encoding : 'utf-8' }),
    credentials: 'same-origin',
  });
  if (!response.ok) throw new Problem(response.status, await response.json().catch(() => ({ title: response.statusText })));
  saveBlob(`devices.${format}`, await response.blob());
}
