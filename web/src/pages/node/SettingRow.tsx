// One setting: what it does, its value with a fitting field, where the value comes from, what is wrong with the new one.
import { Button, Input, Select } from 'antd';
import type { Setting, SettingsCheck } from '../../api/types';
import { t, type WordKey } from '../../i18n';
import { shownValue, type Draft } from './draft';

const HIGHER = ['environment', 'set'];

function Field({ s, value, change, bad }: { s: Setting; value: string; change: (value: string) => void; bad: boolean }) {
  const choices = s.type === 'bool' ? ['true', 'false'] : s.choices;
  const status = bad ? 'error' : undefined;
  if (choices) {
    return (
      <Select
        size="small"
        aria-label={s.key}
        value={value}
        status={status}
        options={choices.map((c) => ({ value: c, label: c }))}
        onChange={change}
      />
    );
  }
  return (
    <Input
      size="small"
      aria-label={s.key}
      aria-invalid={bad}
      value={value}
      status={status}
      inputMode={s.type === 'int' ? 'numeric' : undefined}
      placeholder={s.default || t('settings.empty')}
      onChange={(e) => change(e.target.value)}
    />
  );
}

function Shown({ value }: { value: string }) {
  return value === '' ? <span className="dim">{t('settings.empty')}</span> : <code>{value}</code>;
}

function Notes({ s, draft }: { s: Setting; draft: Draft }) {
  const notes: string[] = [];
  if (draft[s.key] === null) notes.push(t('settings.tookBack'));
  if (s.next !== null) notes.push(t('settings.next', { value: s.next || t('settings.empty') }));
  if (s.console !== null && HIGHER.includes(s.source)) {
    notes.push(t('settings.outranked', { source: t(`settings.source.${s.source}` as WordKey) }));
  }
  return notes.length > 0 ? <div className="warn">{notes.join('; ')}</div> : null;
}

function Origin({ s }: { s: Setting }) {
  const why = s.file_only
    ? t('settings.fileOnly')
    : s.may
      ? null
      : t('settings.mayNot', { right: s.security ? 'config.security' : 'config.write' });
  return (
    <>
      {t(`settings.source.${s.source}` as WordKey)}
      {s.source !== 'default' ? (
        <div className="dim">{t('settings.default', { value: s.default || t('settings.empty') })}</div>
      ) : null}
      {why ? <div className="dim">{why}</div> : null}
    </>
  );
}

interface Props {
  s: Setting;
  draft: Draft;
  check: SettingsCheck | null;
  fixed: boolean;
  change: (s: Setting, value: string | null) => void;
  undo: (key: string) => void;
}

export function SettingRow({ s, draft, check, fixed, change, undo }: Props) {
  const touched = s.key in draft;
  const fault = touched ? check?.errors.find((e) => e.key === s.key) : undefined;
  const editable = s.may && !fixed;
  return (
    <tr data-setting={s.key} data-touched={touched || undefined}>
      <th scope="row">
        <code>{s.key}</code>
        <div className="setting-help">{s.help}</div>
      </th>
      <td>
        {editable ? (
          <Field s={s} value={shownValue(s, draft)} bad={fault !== undefined} change={(value) => change(s, value)} />
        ) : (
          <Shown value={s.value} />
        )}
        {fault ? (
          <div className="bad" role="alert">
            {fault.detail}
            {fault.remedy ? ` · ${fault.remedy}` : ''}
          </div>
        ) : null}
        <Notes s={s} draft={draft} />
      </td>
      <td>
        <Origin s={s} />
      </td>
      <td className={s.live ? '' : 'dim'}>{t(s.live ? 'settings.live' : 'settings.restart')}</td>
      <td className="right">
        {touched ? (
          <Button size="small" type="text" onClick={() => undo(s.key)}>
            {t('settings.undo')}
          </Button>
        ) : editable && s.console !== null ? (
          <Button size="small" type="text" title={t('settings.takeBackHint')} onClick={() => change(s, null)}>
            {t('settings.takeBack')}
          </Button>
        ) : null}
      </td>
    </tr>
  );
}
