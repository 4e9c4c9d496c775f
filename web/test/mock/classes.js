// The data catalogue in the mock: classes that are said, by what they are said of.
import { answer, Refusal } from './answer.js';

const general = { data_class: 'general', data_level: 1 };

export const classRoutes = {
  on_data_classes({ req, res, json }) {
    this.classes ??= { tenant: general };
    if (req.method === 'POST') {
      const { kind, id, property, data_class, data_level, reason } = json();
      if (!reason) throw new Refusal(422, 'reason', '请填写原因', '');
      this.classes[[kind, id, property].filter(Boolean).join(':')] = { data_class, data_level };
      return answer(res, 204);
    }
    const base = this.classes.tenant;
    const item = (kind, thing, property) => {
      const said = this.classes[[kind, thing.id, property?.id].filter(Boolean).join(':')];
      const devices = [...this.devices.values()].filter((d) => d.thing === thing.id).length;
      const name = (property ?? thing).name;
      return { kind, id: thing.id, property: property?.id, name, ...base, ...said, said: said !== undefined, devices };
    };
    const items = [...this.things.values()].map(({ thing }) => item('thing', thing));
    const own = Object.keys(this.classes).filter((key) => key.startsWith('property:'));
    for (const key of own) {
      const [, id, property] = key.split(':');
      const thing = this.things.get(id)?.thing;
      items.push(item('property', thing, thing?.properties?.find((one) => one.id === property)));
    }
    return answer(res, 200, { default: base, points: [{ ...base, points: 96 }], items });
  },
};
