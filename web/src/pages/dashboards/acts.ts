// What is done with a whole dashboard from the list and from its page.
import { get, post, seg } from '../../api/client';
import { t } from '../../i18n';
import { docOf, fileOf, type Dashboard, type Doc } from './model';

export async function copyOf(id: string): Promise<Dashboard> {
  const doc = docOf(await get<Dashboard>(`dashboards/${seg(id)}`));
  return post<Dashboard>('dashboards', { ...doc, name: t('board.copyOf', { name: doc.name }).slice(0, 100), shared: false });
}

export function download(doc: Doc): void {
  const link = document.createElement('a');
  const url = URL.createObjectURL(new Blob([fileOf(doc)], { type: 'application/json' }));
  link.href = url;
  link.download = `${doc.name.replace(/[\\/:*?"<>|\s]+/g, '-') || 'dashboard'}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export async function downloadById(id: string): Promise<void> {
  download(docOf(await get<Dashboard>(`dashboards/${seg(id)}`)));
}
