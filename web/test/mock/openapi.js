// A small OpenAPI document for the explorer page.
const answer = (description) => ({ description, content: { 'application/json': { schema: { type: 'object' } } } });
const list = (tag, summary, permission, more = []) => ({
  tags: [tag],
  summary,
  'x-permission': permission,
  parameters: [
    { name: 'q', in: 'query', description: 'search', schema: { type: 'string' } },
    { name: 'limit', in: 'query', description: 'rows, at most 1000', schema: { type: 'integer' } },
    ...more,
  ],
  responses: { 200: answer('a page of the list'), 401: answer('sign in'), 403: answer('not allowed') },
});
const id = { name: 'id', in: 'path', required: true, schema: { type: 'string' } };

export const openapi = {
  openapi: '3.1.0',
  info: { title: 'Songhua', version: '0.1.0' },
  servers: [{ url: '/api/v1' }],
  paths: {
    '/overview': { get: { tags: ['platform'], summary: 'What is connected, what flows, what is wrong', responses: { 200: answer('the figures') } } },
    '/devices': {
      get: list('devices', 'Devices', 'devices.read', [{ name: 'state', in: 'query', schema: { type: 'string' } }]),
      post: {
        tags: ['devices'],
        summary: 'Create a device',
        'x-permission': 'devices.write',
        requestBody: { content: { 'application/json': { example: { id: 'pump-1', name: '1 号循环泵', thing: 'pump' } } } },
        responses: { 201: answer('the device'), 409: answer('the id is taken') },
      },
    },
    '/devices/{id}': { parameters: [id], get: { tags: ['devices'], summary: 'One device', responses: { 200: answer('the device'), 404: answer('no such device') } } },
    '/devices/{id}/latest': { parameters: [id], get: { tags: ['devices'], summary: 'Its newest values', responses: { 200: answer('latest values') } } },
    '/things': { get: list('things', 'Thing models', 'things.read') },
    '/points': { get: list('points', 'Points', 'points.read') },
    '/history/query': { post: { tags: ['history'], summary: 'Query samples', responses: { 200: answer('series') } } },
  },
};
