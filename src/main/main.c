/* main.c - the command line.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include <sh/sim.h>
#include <sh/version.h>

#include "main_int.h"

static const char usage[] =
    "songhua " SH_VERSION " - an industrial Internet platform in one program\n"
    "\n"
    "  songhua serve --data DIR [--config FILE] [--set key=value]...\n"
    "        runs the platform; every key may also be SONGHUA_<SECTION>_<KEY>\n"
    "  songhua sim [--help]\n"
    "        runs the demo plant, which speaks MQTT and Modbus TCP\n"
    "  songhua check [--config FILE] [--set key=value]... [[--audit [--checkpoint FILE]] "
    "[--history] [--security] [--json] --data DIR]\n"
    "        explains each problem of a configuration; with --audit proves the audit chain whole,\n"
    "        with --checkpoint also that it still has what a kept checkpoint saw;\n"
    "        with --history reads every sample of a stopped server and names what is damaged;\n"
    "        with --security lists its security controls, what was found and what mends it\n"
    "        (exit code 3: some are not met)\n"
    "  songhua passwd --data DIR [--user NAME] [--link]\n"
    "        new password of a person (off-line), or a one-time sign-in link\n"
    "  songhua keys show|recover|move --to SOURCE|reveal NAME --data DIR [--config FILE] "
    "[--set key=value]...\n"
    "        the keys of a node: what there is; back by the code of the recovery sheet (read "
    "from\n"
    "        standard input); the master key moved to file:PATH, env:NAME or pkcs11:...; a sealed "
    "key\n"
    "        file in the clear\n"
    "  songhua backup --data DIR --to FOLDER [--passphrase-file FILE]\n"
    "        backs up a stopped server's folder (a running one makes its own: ctl backups create)\n"
    "  songhua backup list|fetch --from sftp://USER@HOST/FOLDER --host-key SHA256:...\n"
    "        [--key FILE] [--password-file FILE]; fetch: --to FOLDER [--id BACKUP]\n"
    "        copies on an SFTP server: which are there; one (the newest) back into FOLDER\n"
    "  songhua restore --from FOLDER/BACKUP --data DIR [--passphrase-file FILE] [--without-keys]\n"
    "        makes a new data folder of a backup, every file checked first\n"
    "  songhua restore --kept replaced-... --data DIR\n"
    "        what a restore in the console replaced comes back at the next start\n"
    "  songhua ctl [OPTIONS] WORDS... [BODY]\n"
    "        the API at the command line, e.g. songhua ctl devices list; songhua ctl --help\n"
    "  songhua version [--sbom]\n"
    "        with --sbom what it is made of, with licences (CycloneDX)\n";

int main(int argc, char **argv, char **env)
{
    const char *cmd = argc > 1 ? argv[1] : "--help";
    if (strcmp(cmd, "serve") == 0) {
        return node_serve(argc - 2, argv + 2, env);
    }
    if (strcmp(cmd, "sim") == 0) {
        const struct sh_env system = sh_env_system();
        return sh_sim_main(&system, argc - 1, argv + 1);
    }
    if (strcmp(cmd, "check") == 0) {
        return node_check(argc - 2, argv + 2, env);
    }
    if (strcmp(cmd, "passwd") == 0) {
        return node_passwd(argc - 2, argv + 2, env);
    }
    if (strcmp(cmd, "keys") == 0) {
        return node_keys_tool(argc - 2, argv + 2, env);
    }
    if (strcmp(cmd, "backup") == 0) {
        return node_backup(argc - 2, argv + 2);
    }
    if (strcmp(cmd, "restore") == 0) {
        return node_restore(argc - 2, argv + 2);
    }
    if (strcmp(cmd, "ctl") == 0) {
        return node_ctl(argc - 2, argv + 2);
    }
    if (strcmp(cmd, "version") == 0 || strcmp(cmd, "--version") == 0) {
        if (argc > 2 && strcmp(argv[2], "--sbom") == 0) {
            return node_print_sbom();
        }
        (void)printf("songhua %s\n", SH_VERSION);
        return 0;
    }
    const bool help = strcmp(cmd, "--help") == 0 || strcmp(cmd, "-h") == 0;
    if (!help) {
        (void)fprintf(stderr, "songhua: unknown command '%s'\n\n", cmd);
    }
    (void)fputs(usage, help ? stdout : stderr);
    return help ? 0 : 2;
}
