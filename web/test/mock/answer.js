// What every part of the mock answers with: JSON, and problems as the platform words them.
import { randomBytes } from 'node:crypto';

const TITLES = { 401: '请先登录', 403: '没有权限', 404: '对象不存在', 409: '名称已存在', 412: '内容已被他人修改' };

export class Refusal extends Error {
  constructor(status, code, detail, remedy = '') {
    super(detail);
    this.status = status;
    this.body = { type: 'about:blank', title: TITLES[status] ?? code, status, code, detail, remedy };
  }
}
export const notFound = (what) => new Refusal(404, 'not_found', `没有 ${what}`, '检查标识，或在列表里查找。');
export const id8 = () => randomBytes(8).toString('hex');

export function answer(res, status, body, headers = {}) {
  if (status === 204) {
    res.writeHead(204, headers).end();
    return;
  }
  res.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', ...headers }).end(JSON.stringify(body ?? null));
}
