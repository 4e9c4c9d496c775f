// Files of an asset, beside the tree.
import { Drawer } from 'antd';
import { seg } from '../../api/client';
import type { Asset } from '../../api/types';
import Files from '../../components/files/Files';
import { t } from '../../i18n';

export default function AssetFiles({ asset, mayWrite, onClose }: { asset: Asset; mayWrite: boolean; onClose: () => void }) {
  return (
    <Drawer open title={t('files.of', { name: asset.name })} size={Math.min(1000, window.innerWidth)} onClose={onClose}>
      <Files path={`assets/${seg(asset.id)}`} mayWrite={mayWrite} />
    </Drawer>
  );
}
