/* seeds_wal.c - writes the seed corpus of the log reader: small logs, each with its name.
 *
 *   seeds_wal DIR
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/wal.h"

#define LOG 7

static uint8_t bytes[4096];
static size_t used;
static struct wal_chain chain;
static struct wal_position watermark;

static void begin(void)
{
    memset(bytes, 0, sizeof bytes);
    bytes[0] = 100;
    used = 1;
    chain = (struct wal_chain){0, 0};
    watermark = (struct wal_position){LOG, 0};
}

static void record(const char *payload, size_t n, seqno seq)
{
    memcpy(bytes + used + WAL_HEADER_BYTES, payload, n);
    uint32_t checksum = wal_frame(bytes + used, n, LOG, chain, seq, watermark);
    chain = (struct wal_chain){checksum, chain.number + 1};
    used += WAL_HEADER_BYTES + n;
}

static void synced(void)
{
    watermark.offset = used - 1;
}

static void save(const char *dir, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, used, f) != used || fclose(f)) {
        perror(path);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) return 2;
    const char *dir = argv[1];
    begin();
    save(dir, "empty");
    record("\001\001k\001v", 5, 1);
    save(dir, "one_put");
    record("\000\001k", 3, 2);
    record("\002\003\002", 3, 3);
    save(dir, "put_delete_register");
    begin();
    record("\001\001a\001b", 5, 1);
    synced();
    record("", 0, 2);
    save(dir, "synced_and_marked");
    used += 64;
    save(dir, "zeros_behind");
    begin();
    record("\001\001a\001b", 5, 1);
    record("\001\001c\001d", 5, 2);
    used -= 3;
    save(dir, "torn_payload");
    begin();
    record("\004\007", 2, 1);
    memset(bytes + used, 0x5a, 40);
    used += 40;
    save(dir, "old_bytes_behind");
    return 0;
}
