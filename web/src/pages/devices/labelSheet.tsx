// Labels to stick on machines: name, id and a QR code that opens the device's page on a phone.
import { Button, Modal, QRCode } from 'antd';
import { useEffect, useState } from 'react';
import { asProblem, get, seg, type Problem } from '../../api/client';
import type { Device } from '../../api/types';
import { inTenant } from '../../app/tenant';
import { Loading } from '../../components/Loading';
import { ProblemView } from '../../components/ProblemView';
import { t } from '../../i18n';

type Named = Pick<Device, 'id' | 'name'>;
export const MAX_LABELS = 100;

/** What the code holds. It opens the page after signing in. */
export function labelUrl(id: string, origin = location.origin): string {
  return origin + inTenant(`/devices/${seg(id)}`);
}

function Label({ device }: { device: Named }) {
  return (
    <li className="device-label" data-url={labelUrl(device.id)}>
      <QRCode value={labelUrl(device.id)} type="svg" size={112} bordered={false} errorLevel="M" color="#000" bgColor="#fff" />
      <div>
        <strong>{device.name || device.id}</strong>
        <span className="mono">{device.id}</span>
      </div>
    </li>
  );
}

/** Of one device or of some; prints the labels alone. */
export function LabelSheet({ devices, onClose }: { devices: Named[]; onClose: () => void }) {
  return (
    <Modal
      open
      title={t('label.title')}
      onCancel={onClose}
      width={720}
      footer={
        <Button type="primary" onClick={() => window.print()}>
          {t('label.print')}
        </Button>
      }
    >
      <p className="dim">{t('label.what', { host: location.host })}</p>
      <ul className="label-sheet print-labels">
        {devices.map((device) => (
          <Label key={device.id} device={device} />
        ))}
      </ul>
    </Modal>
  );
}

/** The names of what was chosen are read first: the list has only what was loaded. */
export function LabelsOf({ ids, onClose }: { ids: string[]; onClose: () => void }) {
  const [devices, setDevices] = useState<Named[] | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const key = ids.join('\n');
  useEffect(() => {
    Promise.all(key.split('\n').map((id) => get<Device>(`devices/${seg(id)}`))).then(setDevices, (error: unknown) => setProblem(asProblem(error)));
  }, [key]);
  if (devices) return <LabelSheet devices={devices} onClose={onClose} />;
  return (
    <Modal open title={t('label.title')} footer={null} onCancel={onClose}>
      {problem ? <ProblemView problem={problem} /> : <Loading />}
    </Modal>
  );
}
