// Copy-paste programs that send this device's own data. Pure: what the page knows goes in, text comes out.

export interface About {
  device: string;
  tenant: string;
  host: string;
  httpUrl: string;
  mqttPort: number;
  /** Password of the device; null: not made yet, a placeholder stands there. */
  secret: string | null;
  /** Properties of the thing model with example values. */
  sample: Record<string, number | boolean | string>;
}

export interface Snippet {
  key: string;
  title: string;
  file: string;
  text: string;
}

export const SECRET_PLACE = '<SECRET>';
export const TOKEN_PLACE = '<TOKEN>';

/** Ids stand in topics with / + # % and control characters percent-encoded. */
export function topicOf(device: string): string {
  // eslint-disable-next-line no-control-regex
  const id = device.replace(/[/+#%\u0000-\u001f\u007f]/g, (c) =>
    `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
  return `sh/v1/${id}/telemetry`;
}

export function mqttUser(device: string, tenant: string): string {
  return tenant && tenant !== 'root' ? `${device}@${tenant}` : device;
}

/** 'x' for a POSIX shell: safe whatever is in it. */
function sh(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function lineProtocol(about: About): string {
  const measurement = about.device.replace(/[, ]/g, (c) => `\\${c}`);
  const fields = Object.entries(about.sample).map(([name, value]) => {
    const key = name.replace(/[,= ]/g, (c) => `\\${c}`);
    return `${key}=${typeof value === 'string' ? JSON.stringify(value) : String(value)}`;
  });
  return `${measurement} ${fields.join(',')}`;
}

function mosquitto(a: About, user: string, secret: string, json: string): string {
  return `mosquitto_pub -h ${a.host} -p ${a.mqttPort} -q 1 \\
  -u ${sh(user)} -P ${sh(secret)} \\
  -t ${sh(topicOf(a.device))} \\
  -m ${sh(json)}`;
}

function pythonDict(sample: About['sample']): string {
  return JSON.stringify(sample).replaceAll('true', 'True').replaceAll('false', 'False');
}

function python(a: About, user: string, secret: string): string {
  return `# pip install paho-mqtt
import json, time
import paho.mqtt.client as mqtt

client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
client.username_pw_set(${JSON.stringify(user)}, ${JSON.stringify(secret)})
client.connect(${JSON.stringify(a.host)}, ${a.mqttPort})
client.loop_start()
while True:
    values = ${pythonDict(a.sample)}
    sent = client.publish(${JSON.stringify(topicOf(a.device))}, json.dumps(values), qos=1)
    sent.wait_for_publish()  # acknowledged = on disk
    time.sleep(1)`;
}

function c(a: About, user: string, secret: string, json: string): string {
  return `/* cc push.c -o push -lpaho-mqtt3c */
#include <MQTTClient.h>
#include <string.h>

int main(void)
{
    MQTTClient client;
    MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer;
    const char *text = ${JSON.stringify(json)};

    MQTTClient_create(&client, "tcp://${a.host}:${a.mqttPort}", ${JSON.stringify(a.device)},
                      MQTTCLIENT_PERSISTENCE_NONE, NULL);
    options.username = ${JSON.stringify(user)};
    options.password = ${JSON.stringify(secret)};
    if (MQTTClient_connect(client, &options) != MQTTCLIENT_SUCCESS) {
        return 1;
    }
    MQTTClient_deliveryToken token;
    MQTTClient_publish(client, ${JSON.stringify(topicOf(a.device))}, (int)strlen(text), text, 1, 0, &token);
    MQTTClient_waitForCompletion(client, token, 5000);
    MQTTClient_disconnect(client, 1000);
    MQTTClient_destroy(&client);
    return 0;
}`;
}

function javascript(a: About, user: string, secret: string): string {
  return `// npm install mqtt
import mqtt from 'mqtt';

const client = mqtt.connect('mqtt://${a.host}:${a.mqttPort}', {
  username: ${JSON.stringify(user)},
  password: ${JSON.stringify(secret)},
});
client.on('connect', () => {
  setInterval(() => {
    const values = ${JSON.stringify(a.sample)};
    client.publish(${JSON.stringify(topicOf(a.device))}, JSON.stringify(values), { qos: 1 });
  }, 1000);
});`;
}

function curlJson(a: About, json: string): string {
  return `curl -X POST ${sh(`${a.httpUrl}/api/v1/ingest?device=${encodeURIComponent(a.device)}`)} \\
  -H 'Authorization: Bearer ${TOKEN_PLACE}' \\
  -H 'Content-Type: application/json' \\
  -d ${sh(json)}`;
}

function curlLine(a: About): string {
  return `curl -X POST ${sh(`${a.httpUrl}/write?precision=ms`)} \\
  -H 'Authorization: Token ${TOKEN_PLACE}' \\
  --data-binary ${sh(lineProtocol(a))}`;
}

function modbus(a: About): string {
  const tags = Object.keys(a.sample).map((property, i) => ({
    property,
    address: `${40001 + 2 * i}:float32:cdab`,
  }));
  const channel = {
    id: `modbus-${a.device}`,
    driver: 'modbus',
    enabled: true,
    config: { mode: 'dial', address: '192.168.1.10:502' },
    devices: [{ device: a.device, config: { unit: 1 }, period_ms: 1000, tags }],
  };
  return `curl -X POST ${sh(`${a.httpUrl}/api/v1/channels`)} \\
  -H 'Authorization: Bearer ${TOKEN_PLACE}' \\
  -H 'Content-Type: application/json' \\
  -d ${sh(JSON.stringify(channel, null, 2))}`;
}

export function snippets(about: About): Snippet[] {
  const user = mqttUser(about.device, about.tenant);
  const secret = about.secret ?? SECRET_PLACE;
  const json = JSON.stringify(about.sample);
  return [
    { key: 'mosquitto', title: 'mosquitto_pub', file: 'sh', text: mosquitto(about, user, secret, json) },
    { key: 'python', title: 'Python · paho', file: 'py', text: python(about, user, secret) },
    { key: 'c', title: 'C · paho', file: 'c', text: c(about, user, secret, json) },
    { key: 'mqttjs', title: 'MQTT.js', file: 'js', text: javascript(about, user, secret) },
    { key: 'curl', title: 'curl · JSON', file: 'sh', text: curlJson(about, json) },
    { key: 'line', title: 'Line protocol', file: 'sh', text: curlLine(about) },
    { key: 'modbus', title: 'Modbus TCP', file: 'sh', text: modbus(about) },
  ];
}
