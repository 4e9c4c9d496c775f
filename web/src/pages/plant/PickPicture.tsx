// Chooses which picture of an asset is its plan; pictures are uploaded here too.
import { Button } from 'antd';
import { useState } from 'react';
import Files, { contentUrl } from '../../components/files/Files';
import type { FileList, StoredFile } from '../../api/fileTypes';
import { useResource } from '../../api/useResource';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { t } from '../../i18n';

interface Props {
  path: string;
  current: string | null;
  onPick: (file: StoredFile) => Promise<void>;
}

export default function PickPicture({ path, current, onPick }: Props) {
  const [turn, setTurn] = useState(0);
  const list = useResource<FileList>(`${path}/files`, { turn });
  const { busy, problem, run } = useAct();
  const pictures = (list.data?.items ?? []).filter((f) => f.inline && f.media.startsWith('image/'));
  return (
    <>
      <ProblemView problem={problem} />
      {pictures.length > 0 ? (
        <ul className="plan-pictures" aria-label={t('plan.pictures')}>
          {pictures.map((f) => (
            <li key={f.id} aria-current={f.id === current || undefined}>
              <img src={contentUrl(path, f, true)} alt={f.name} />
              <span>{f.name}</span>
              <Button size="small" type="primary" disabled={f.id === current} loading={busy} onClick={() => void run(() => onPick(f))}>
                {t('plan.usePicture')}
              </Button>
            </li>
          ))}
        </ul>
      ) : (
        <p>{t('plan.uploadHint')}</p>
      )}
      <Files path={path} mayWrite onChange={() => setTurn((n) => n + 1)} />
    </>
  );
}
