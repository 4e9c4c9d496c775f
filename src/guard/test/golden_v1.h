/* golden_v1.h - what version 1 of guard stored: kept for ever, so that every later version opens
 * it. Included once, by golden_test.c. The secrets are those of this file only.
 * SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#define GOLDEN_TOKEN "sht_BeFmVRmoXfmFcphbvZiB47Sk5qga5wMe2lS7OwDV310"
#define GOLDEN_SECRET "shd_B8YJEXAYOvyF64m9NmK9l2cFq5ta38yah4S8IfFLYhw"
#define GOLDEN_SESSION "shs_oY5TCVDlf_vi14MHifJoPAMQ7s7jfJaCYHbkf1LtAog"
#define GOLDEN_BOX "01010000001b1e95de89e9b7d395fca764be7dcbd4911f2462a72ed8bb636c1f760f6104ecea64"
#define GOLDEN_KEY "songhua-node-key-1 79065b87eb53cb64c9116bb5576d69586386887c6a9eeeb569a406a12e5beea6\n"
#define GOLDEN_HEAD "songhua-audit-1 9 a7f291fc2a490802cead0b85dced7358f569ed0e0eafa1cc19597e390be062f1 07043e7e56d92175410c9d4643980ae135ea3f684b16de6af36bdda531c7a027\n"
static const struct {
    enum guard_kind kind;
    const char *key;
    const char *value;
} golden[] = {
    {GUARD_META, "node",
     "{\"key\":\"e95ecc6b4d1495e5d6bfea5af56f2ce3f79526aafb55e55dc856f64d022ca6e7\"}"},
    {GUARD_TENANT, "0000000001",
     "{\"id\":1,\"path\":\"\",\"name\":\"\",\"disabled\":false,\"quotas\":{\"devices\":0,\"points\":0,\"rate\":0,\"storage_bytes\":0,\"connections\":0},\"revision\":1}"},
    {GUARD_TENANT, "0000000002",
     "{\"id\":2,\"path\":\"jilin\",\"name\":\"吉林\",\"disabled\":false,\"quotas\":{\"devices\":0,\"points\":1000,\"rate\":500,\"storage_bytes\":0,\"connections\":0},\"revision\":3}"},
    {GUARD_ROLE, "chef",
     "{\"name\":\"chef\",\"permissions\":[\"devices.read\",\"records.read\"],\"builtin\":false,\"revision\":4}"},
    {GUARD_PERSON, "1:admin",
     "{\"name\":\"admin\",\"display\":\"\",\"roles\":[\"administrator\"],\"language\":\"zh\",\"disabled\":false,\"revision\":2,\"tenant\":1,\"created\":1767225600000000,\"phc\":\"$argon2id$v=19$m=16,t=1,p=1$Jvbd72PVZAU3H4BzJ4IIbw$qE02DX/48PB4t9/Mh80TUQ6cUFpagLGLxUnPrinyJqs\"}"},
    {GUARD_PERSON, "2:李雷",
     "{\"name\":\"李雷\",\"display\":\"李雷\",\"roles\":[\"chef\",\"viewer\"],\"language\":\"en\",\"disabled\":false,\"revision\":5,\"tenant\":2,\"created\":1767225600000000,\"phc\":\"$argon2id$v=19$m=16,t=1,p=1$UcAMQ3IA2sFqLvzwQjTd3g$PShUBhacxl3l+brYb3Jaz3gE+6yV52L1Y5Y03DyqeBI\"}"},
    {GUARD_TOKEN, "tkk59a6UM6pRVq6nA",
     "{\"id\":\"tkk59a6UM6pRVq6nA\",\"name\":\"press\",\"hash\":\"a99f1331ea46d2b5a4d0654605c9cfe9ed08b912b33d1736a56b7409d2a5bfb3\",\"tenant\":1,\"roles\":[\"device\"],\"permissions\":[],\"device\":\"cnc12\",\"provision\":true,\"expires\":4102444800000000,\"created\":1767225600000000,\"by\":\"system\"}"},
    {GUARD_SESSION, "7f4c4a5e35fce38333829e9473379ab6e735c4004408ecfc5e4b75b22a9740ae",
     "{\"tenant\":2,\"person\":\"李雷\",\"created\":1767225600000000,\"used\":1767225600000000,\"peer\":\"127.0.0.1\"}"},
    {GUARD_DEVICE, "2:pump",
     "{\"tenant\":2,\"device\":\"pump\",\"secret\":\"159266f800e0de2300bb1312c53e176821d9106797b19d23858c2f6a4e090a28\",\"gateway\":true}"},
    {GUARD_CERT, "cn:pump 7",
     "{\"key\":\"cn:pump 7\",\"tenant\":2,\"device\":\"pump\"}"},
    {GUARD_AUDIT, "00000000000000000001",
     "{\"hash\":\"2cbe47f3bd14097f9a4735d817c97e4d0f574c8bd205e3bab9cf81e6623cbde8\",\"body\":\"{\\\"seq\\\":1,\\\"time\\\":\\\"2026-01-01T00:00:00Z\\\",\\\"principal\\\":\\\"system\\\",\\\"tenant\\\":\\\"\\\",\\\"tenant_id\\\":1,\\\"act\\\":\\\"person.created\\\",\\\"object\\\":\\\"person:admin\\\",\\\"result\\\":\\\"ok\\\",\\\"detail\\\":\\\"\\\",\\\"peer\\\":\\\"\\\",\\\"prev\\\":\\\"0000000000000000000000000000000000000000000000000000000000000000\\\"}\"}"},
    {GUARD_AUDIT, "00000000000000000002",
     "{\"hash\":\"e8b9c310038cf4a8f5b2abbef98870ef55dffd3d05dbfe7294f60e5e6cc655fd\",\"body\":\"{\\\"seq\\\":2,\\\"time\\\":\\\"2026-01-01T00:00:00Z\\\",\\\"principal\\\":\\\"system\\\",\\\"tenant\\\":\\\"\\\",\\\"tenant_id\\\":1,\\\"act\\\":\\\"tenant.created\\\",\\\"object\\\":\\\"tenant:jilin\\\",\\\"result\\\":\\\"ok\\\",\\\"detail\\\":\\\"\\\",\\\"peer\\\":\\\"127.0.0.1\\\",\\\"prev\\\":\\\"2cbe47f3bd14097f9a4735d817c97e4d0f574c8bd205e3bab9cf81e6623cbde8\\\"}\"}"},
    {GUARD_AUDIT, "00000000000000000003",
     "{\"hash\":\"2795dcc678ad593ebc797f673731673bfe014b91404e0def223b9a1506131f69\",\"body\":\"{\\\"seq\\\":3,\\\"time\\\":\\\"2026-01-01T00:00:00Z\\\",\\\"principal\\\":\\\"system\\\",\\\"tenant\\\":\\\"\\\",\\\"tenant_id\\\":1,\\\"act\\\":\\\"role.created\\\",\\\"object\\\":\\\"role:chef\\\",\\\"result\\\":\\\"ok\\\",\\\"detail\\\":\\\"{\\\\\\\"name\\\\\\\":\\\\\\\"chef\\\\\\\",\\\\\\\"permissions\\\\\\\":[\\\\\\\"devices.read\\\\\\\",\\\\\\\"records.read\\\\\\\"],\\\\\\\"builtin\\\\\\\":false,\\\\\\\"revision\\\\\\\":4}\\\",\\\"peer\\\":\\\"127.0.0.1\\\",\\\"prev\\\":\\\"e8b9c310038cf4a8f5b2abbef98870ef55dffd3d05dbfe7294f60e5e6cc655fd\\\"}\"}"},
    {GUARD_AUDIT, "00000000000000000004",
     "{\"hash\":\"df5ec93cbf4003a8b175e74796136b414114938b7907d03847dd4fbc02dfe97b\",\"body\":\"{\\\"seq\\\":4,\\\"time\\\":\\\"2026-01-01T00:00:00Z\\\",\\\"principal\\\":\\\"system\\\",\\\"tenant\\\":\\\"jilin\\\",\\\"tenant_id\\\":2,\\\"act\\\":\\\"person.created\\\",\\\"object\\\":\\\"person:李雷@jilin\\\",\\\"result\\\":\\\"ok\\\",\\\"detail\\\":\\\"\\\",\\\"peer\\\":\\\"127.0.0.1\\\",\\\"prev\\\":\\\"2795dcc678ad593ebc797f673731673bfe014b91404e0def223b9a1506131f69\\\"}\"}"},
    {GUARD_AUDIT, "00000000000000000005",
     "{\"hash\":\"e982d904a0ee843531eaff4495ed06d99b2858060875bcc0b7e35f75557e1cf4\",\"body\":\"{\\\"seq\\\":5,\\\"time\\\":\\\"2026-01-01T00:00:00Z\\\",\\\"principal\\\":\\\"system\\\",\\\"tenant\\\":\\\"\\\",\\\"tenant_id\\\":1,\\\"act\\\":\\\"token.created\\\",\\\"object\\\":\\\"token:tkk59a6UM6pRVq6nA (press)\\\",\\\"result\\\":\\\"ok\\\",\\\"detail\\\":\\\"\\\",\\\"peer\\\":\\\"127.0.0.1\\\",\\\"prev\\\":\\\"df5ec93cbf4003a8b175e74796136b414114938b7907d03847dd4fbc02dfe97b\\\"}\"}"},
    {GUARD_AUDIT, "00000000000000000006",
     "{\"hash\":\"97bea0aca85e68337a946ad16c710aa3dd619f98d96a208b6916f5a7ad65ef1a\",\"body\":\"{\\\"seq\\\":6,\\\"time\\\":\\\"2026-01-01T00:00:00Z\\\",\\\"principal\\\":\\\"system\\\",\\\"tenant\\\":\\\"jilin\\\",\\\"tenant_id\\\":2,\\\"act\\\":\\\"device.secret_made\\\",\\\"object\\\":\\\"device:pump\\\",\\\"result\\\":\\\"ok\\\",\\\"detail\\\":\\\"\\\",\\\"peer\\\":\\\"10.0.0.1\\\",\\\"prev\\\":\\\"e982d904a0ee843531eaff4495ed06d99b2858060875bcc0b7e35f75557e1cf4\\\"}\"}"},
    {GUARD_AUDIT, "00000000000000000007",
     "{\"hash\":\"4a381a9d639cddfec659be579f74fd2be325b0bd9f6c557baa6d7755f7dd78b5\",\"body\":\"{\\\"seq\\\":7,\\\"time\\\":\\\"2026-01-01T00:00:00Z\\\",\\\"principal\\\":\\\"system\\\",\\\"tenant\\\":\\\"jilin\\\",\\\"tenant_id\\\":2,\\\"act\\\":\\\"device.gateway_on\\\",\\\"object\\\":\\\"device:pump\\\",\\\"result\\\":\\\"ok\\\",\\\"detail\\\":\\\"\\\",\\\"peer\\\":\\\"10.0.0.1\\\",\\\"prev\\\":\\\"97bea0aca85e68337a946ad16c710aa3dd619f98d96a208b6916f5a7ad65ef1a\\\"}\"}"},
    {GUARD_AUDIT, "00000000000000000008",
     "{\"hash\":\"6059bd942a854f94d2063459a614607049b7fa44da02ab578d3ede7ec4bc5e10\",\"body\":\"{\\\"seq\\\":8,\\\"time\\\":\\\"2026-01-01T00:00:00Z\\\",\\\"principal\\\":\\\"system\\\",\\\"tenant\\\":\\\"jilin\\\",\\\"tenant_id\\\":2,\\\"act\\\":\\\"device.common_name_added\\\",\\\"object\\\":\\\"device:pump\\\",\\\"result\\\":\\\"ok\\\",\\\"detail\\\":\\\"\\\",\\\"peer\\\":\\\"10.0.0.1\\\",\\\"prev\\\":\\\"4a381a9d639cddfec659be579f74fd2be325b0bd9f6c557baa6d7755f7dd78b5\\\"}\"}"},
    {GUARD_AUDIT, "00000000000000000009",
     "{\"hash\":\"a7f291fc2a490802cead0b85dced7358f569ed0e0eafa1cc19597e390be062f1\",\"body\":\"{\\\"seq\\\":9,\\\"time\\\":\\\"2026-01-01T00:00:00Z\\\",\\\"principal\\\":\\\"person:李雷@jilin\\\",\\\"tenant\\\":\\\"jilin\\\",\\\"tenant_id\\\":2,\\\"act\\\":\\\"session.created\\\",\\\"object\\\":\\\"person:李雷@jilin\\\",\\\"result\\\":\\\"ok\\\",\\\"detail\\\":\\\"password\\\",\\\"peer\\\":\\\"127.0.0.1\\\",\\\"prev\\\":\\\"6059bd942a854f94d2063459a614607049b7fa44da02ab578d3ede7ec4bc5e10\\\"}\"}"},
};
/* clang-format on */
