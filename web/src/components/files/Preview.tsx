// A file beside the list: a picture, a PDF in the browser's own viewer, or a text. What a browser would run is never shown.
import { Button, Drawer } from 'antd';
import { useEffect, useState } from 'react';
import { asProblem, fetchFile, type Problem } from '../../api/client';
import type { StoredFile } from '../../api/fileTypes';
import { Loading } from '../Loading';
import { ProblemView } from '../ProblemView';
import { t } from '../../i18n';
import { bytes, moment, who } from '../../i18n/format';
import { contentUrl } from './Files';

const TEXT_MAX = 400_000; // letters that are shown

function TextFile({ url }: { url: string }) {
  const [text, setText] = useState<string | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    setText(null);
    setProblem(null);
    fetchFile(url, () => {}, abort.signal)
      .then((blob) => blob.slice(0, TEXT_MAX * 3).text())
      .then(
        (all) => setText(all.length > TEXT_MAX ? `${all.slice(0, TEXT_MAX)}\n…` : all),
        (error: unknown) => abort.signal.aborted || setProblem(asProblem(error)),
      );
    return () => abort.abort();
  }, [url]);
  if (problem) return <ProblemView problem={problem} />;
  return text === null ? <Loading /> : <pre className="file-text" tabIndex={0}>{text}</pre>;
}

function Picture({ url, name }: { url: string; name: string }) {
  const [broken, setBroken] = useState(false);
  useEffect(() => setBroken(false), [url]);
  if (broken) return <p role="alert">{t('files.broken')}</p>;
  return <img className="file-picture" src={url} alt={name} onError={() => setBroken(true)} />;
}

interface Props {
  path: string;
  file: StoredFile;
  /** Those that can be shown, for the way to the next one. */
  files: StoredFile[];
  onShow: (file: StoredFile) => void;
  onClose: () => void;
}

export default function Preview({ path, file, files, onShow, onClose }: Props) {
  const at = files.findIndex((f) => f.id === file.id);
  const beside = (step: number) => files[at + step];
  const url = contentUrl(path, file, true);
  const step = (by: number) => {
    const next = beside(by);
    if (next) onShow(next);
  };
  return (
    <Drawer
      open
      title={file.name}
      size={Math.min(960, window.innerWidth)}
      onClose={onClose}
      extra={
        <span className="row-actions">
          <Button disabled={!beside(-1)} onClick={() => step(-1)}>
            {t('files.before')}
          </Button>
          <Button disabled={!beside(1)} onClick={() => step(1)}>
            {t('files.next')}
          </Button>
          <Button type="primary" href={contentUrl(path, file)} download={file.name}>
            {t('files.download')}
          </Button>
        </span>
      }
    >
      <div
        className="file-preview"
        onKeyDown={(event) => {
          if (event.key === 'ArrowLeft' || event.key === 'ArrowRight') step(event.key === 'ArrowLeft' ? -1 : 1);
        }}
      >
        {file.media.startsWith('image/') ? <Picture url={url} name={file.name} /> : null}
        {file.media === 'application/pdf' ? <iframe className="file-pdf" src={url} title={file.name} /> : null}
        {file.media === 'text/plain' ? <TextFile url={url} /> : null}
        <p className="dim">
          {t(`fileKind.${file.kind}`)} · {bytes(file.size)} · {who(file.by)} · {moment(file.time)}
        </p>
        {file.note ? <p>{file.note}</p> : null}
        <p className="dim mono file-digest">SHA-256 {file.sha256}</p>
      </div>
    </Drawer>
  );
}
