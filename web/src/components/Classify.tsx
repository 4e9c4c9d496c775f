// Says the class of one thing: who may classify says it up or down with a reason, others of a point upwards.
import { Form, Input, Modal } from 'antd';
import { call, post, seg } from '../api/client';
import type { Classed } from '../api/types';
import { useSession } from '../app/session';
import { t } from '../i18n';
import { ClassChoice } from './DataClass';
import { ProblemView } from './ProblemView';
import { useAct } from './useAct';

export interface ToClassify extends Classed {
  kind: 'tenant' | 'thing' | 'property' | 'device' | 'point' | 'type';
  id?: string;
  property?: string;
}
interface Values {
  to: Classed;
  reason?: string;
}

export function Classify({ what, onClose, onDone }: { what: ToClassify; onClose: () => void; onDone: () => void }) {
  const [form] = Form.useForm<Values>();
  const { may } = useSession();
  const { busy, problem, run } = useAct();
  const all = may('data.classify');
  const { kind, id, property } = what;
  const save = ({ to, reason }: Values) =>
    run(async () => {
      if (all) {
        const none = { data_class: null, data_level: null };
        await post('data-classes', { kind, id, property, ...none, ...to, reason });
      } else {
        await call('PATCH', `points/${seg(id ?? '')}/${seg(property ?? '')}`, { json: to });
      }
      onDone();
    }, t('state.saved'));
  return (
    <Modal
      open
      width={460}
      title={`${t('data.change')} ${[id, property].filter(Boolean).join('/')}`}
      okText={t('action.save')}
      cancelText={t('action.cancel')}
      confirmLoading={busy}
      onOk={() => form.submit()}
      onCancel={onClose}
    >
      <Form<Values>
        form={form}
        layout="vertical"
        initialValues={{ to: { data_class: what.data_class, data_level: what.data_level } }}
        onFinish={(values) => void save(values)}
      >
        <Form.Item name="to" label={t('data.class')} extra={all ? undefined : t('data.raiseOnly')}>
          <ClassChoice none={all ? t('data.asAbove') : null} />
        </Form.Item>
        {all ? (
          <Form.Item
            name="reason"
            label={t('data.reason')}
            extra={t('data.reasonHint')}
            rules={[{ required: true, whitespace: true, message: t('data.reasonMissing') }]}
          >
            <Input autoComplete="off" />
          </Form.Item>
        ) : null}
      </Form>
      <ProblemView problem={problem} />
    </Modal>
  );
}
