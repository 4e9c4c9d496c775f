import { Form, Input, Select } from 'antd';
import { useRef, useState } from 'react';
import { post, seg } from '../../api/client';
import type { Token } from '../../api/types';
import { FormDialog } from '../../components/AdminTable';
import { Secret } from '../../components/Secret';
import { language, t } from '../../i18n';

interface Values {
  name: string;
  days: number;
  look: 'dark' | 'light';
  lang: 'zh' | 'en';
}
const DAY_MS = 86_400_000;

export function panelPath(id: string, token: string, look: string, lang: string): string {
  return `/panel/${seg(id)}?look=${look}&lang=${lang}#${encodeURIComponent(token)}`;
}

/** Makes a token that shows this dashboard and nothing else, and the link for the wall. */
export function PanelLink({ id, name, onClose }: { id: string; name: string; onClose: () => void }) {
  const [link, setLink] = useState<string | null>(null);
  const made = useRef(false); // then the link takes the form's place
  if (link) return <Secret title={t('panel.made')} rows={[[t('panel.link'), link]]} note={<p className="dim">{t('panel.madeHint')}</p>} onClose={onClose} />;
  return (
    <FormDialog<Values>
      title={t('panel.make')}
      okText={t('panel.makeDo')}
      done={t('state.done')}
      initial={{ name: t('panel.nameOf', { name }).slice(0, 20), days: 0, look: 'dark', lang: language() }}
      onClose={() => (made.current ? undefined : onClose())}
      save={async ({ name: of, days, look, lang }) => {
        const expires = days ? { expires: new Date(Date.now() + days * DAY_MS).toISOString() } : {};
        const answer = await post<Token>('tokens', { name: of.trim(), dashboard: id, ...expires });
        made.current = true;
        setLink(location.origin + panelPath(id, answer.token ?? '', look, lang));
      }}
    >
      <p>{t('panel.what')}</p>
      <Form.Item name="name" label={t('tokens.name')} rules={[{ required: true, whitespace: true, message: t('tokens.nameMissing') }]}>
        <Input maxLength={20} />
      </Form.Item>
      <Form.Item name="days" label={t('tokens.life')}>
        <Select options={[0, 30, 90, 365].map((days) => ({ value: days, label: days ? t('span.days', { n: days }) : t('tokens.never') }))} />
      </Form.Item>
      <div className="two-columns">
        <Form.Item name="look" label={t('panel.look')}>
          <Select options={(['dark', 'light'] as const).map((value) => ({ value, label: t(`panelLook.${value}`) }))} />
        </Form.Item>
        <Form.Item name="lang" label={t('panel.language')}>
          <Select options={[{ value: 'zh', label: t('panel.zh') }, { value: 'en', label: 'English' }]} />
        </Form.Item>
      </div>
    </FormDialog>
  );
}
