/* scenario.c - the table. Keys are a0 .. d3 (every x3 is forty bytes long), a put of
 * size 8 makes a record of 45 bytes; see proptests/tape.h for the words. */
#include "tests/crash/scenario.h"

#include <string.h>

/* ---- geometries ---- */

/* One memtable of some ten records, logs of four chunks. */
static const struct geometry tiny = {.name = "tiny",
                                     .memtable_bytes = 1024,
                                     .log_bytes = 256,
                                     .block_bytes = 64,
                                     .table_bytes = 128,
                                     .level1_bytes = 1024,
                                     .manifest_bytes = 4096,
                                     .write_buffer_bytes = 64,
                                     .level0_tables = 2,
                                     .filter_bits = 0};
/* Tables of many blocks, written in one piece. */
static const struct geometry wide = {.name = "wide",
                                     .memtable_bytes = 4096,
                                     .log_bytes = 512,
                                     .block_bytes = 64,
                                     .table_bytes = 4096,
                                     .level1_bytes = 65536,
                                     .manifest_bytes = 4096,
                                     .write_buffer_bytes = 128,
                                     .level0_tables = 8,
                                     .filter_bits = 8};
/* Level 1 is full after one table: everything moves down at once. */
static const struct geometry steep = {.name = "steep",
                                      .memtable_bytes = 1024,
                                      .log_bytes = 256,
                                      .block_bytes = 64,
                                      .table_bytes = 96,
                                      .level1_bytes = 256,
                                      .manifest_bytes = 8192,
                                      .write_buffer_bytes = 128,
                                      .level0_tables = 2,
                                      .filter_bits = 4};
/* A memtable of a few short values. */
static const struct geometry small = {.name = "small",
                                      .memtable_bytes = 512,
                                      .log_bytes = 256,
                                      .block_bytes = 128,
                                      .table_bytes = 512,
                                      .level1_bytes = 4096,
                                      .manifest_bytes = 4096,
                                      .write_buffer_bytes = 256,
                                      .level0_tables = 2,
                                      .filter_bits = 0};
/* The manifest rolls over every few edits. */
static const struct geometry rolling = {.name = "rolling",
                                        .memtable_bytes = 1024,
                                        .log_bytes = 256,
                                        .block_bytes = 64,
                                        .table_bytes = 1024,
                                        .level1_bytes = 4096,
                                        .manifest_bytes = 256,
                                        .write_buffer_bytes = 256,
                                        .level0_tables = 4,
                                        .filter_bits = 0};

/* ---- scenarios ---- */

/* Of whole servers. */
#define KEYS_BEFORE "a SET k @20; a SET n 7; a SET m old; turn 2"

#define FEW "put a0 8; put b0 24; put c0 8; add 0 3; flush; put a1 8; put b0 8"

const struct scenario scenarios[] = {
    {.name = "create",
     .purpose = "A store is created where nothing was, and takes its first write.",
     .geometry = &tiny,
     .policy = SYNC_ALWAYS,
     .tape = "put a0 8; put b0 24"},
    {.name = "put-always",
     .purpose = "Single puts, each acknowledged after its own sync.",
     .geometry = &tiny,
     .policy = SYNC_ALWAYS,
     .before = FEW,
     .tape = "put a2 8; put b1 24; put a2 64; put c1 0; put c2 1"},
    {.name = "put-everysec",
     .purpose = "Puts that are acknowledged at once and synced when a second has passed.",
     .geometry = &tiny,
     .policy = SYNC_EVERYSEC,
     .before = FEW,
     .tape = "put a2 8; put b1 24; clock 1000; step; put a2 8; put b2 8; clock 500; "
             "step; put c1 8; clock 1000; step; clock 1000; step; put c2 8"},
    {.name = "put-no",
     .purpose = "Puts that nobody ever syncs: what survives is a prefix without a hole.",
     .geometry = &wide,
     .policy = SYNC_NO,
     .before = FEW,
     .tape = "put a2 8; put b1 24; put a2 24; put b2 64; put c1 8; put d1 24; del a2; "
             "put d2 8"},
    {.name = "group",
     .purpose = "Several clients share one record and one sync.",
     .geometry = &tiny,
     .policy = SYNC_ALWAYS,
     .before = FEW,
     .tape = "begin; put a2 8; put b1 24; del a0; add 0 2; commit; begin; put d3 8; "
             "put a2 24; commit; put c1 8"},
    {.name = "delete",
     .purpose = "Deleted keys stay deleted, in memory and above a table that has them.",
     .geometry = &tiny,
     .policy = SYNC_ALWAYS,
     .before = FEW,
     .tape = "del a1; del b0; put b0 8; del a0; flush; del c0"},
    {.name = "overwrite",
     .purpose = "One key is overwritten for ever; no older value may come back.",
     .geometry = &tiny,
     .policy = SYNC_NO,
     .before = FEW,
     .tape = "put a0 24; put a0 24; put a0 24; put a0 24; put a0 24; put a0 24; "
             "put a0 24; put a0 24"},
    {.name = "mset",
     .purpose = "Batches of several keys are there wholly or not at all.",
     .geometry = &tiny,
     .policy = SYNC_NO,
     .before = FEW,
     .tape = "put a0 24 + put b0 24 + put c0 24; del a0 + put d0 8 + add 1 4; "
             "put a0 64 + put b0 64"},
    {.name = "large-value",
     .purpose = "A value larger than a block, and one larger than the memtable.",
     .geometry = &tiny,
     .policy = SYNC_ALWAYS,
     .before = FEW,
     .tape = "put a2 200; put b1 1000; put a2 8; flush"},
    {.name = "rotate",
     .purpose = "A full memtable makes room for the next one while nobody syncs.",
     .geometry = &tiny,
     .policy = SYNC_NO,
     .before = FEW,
     .tape = "put a2 64; put b1 64; put c1 64; put d0 64; put d1 8; step; put d2 8"},
    {.name = "log-switch",
     .purpose =
         "A group of records spans two logs, the older of which is not synced yet.",
     .geometry = &tiny,
     .policy = SYNC_EVERYSEC,
     .before = FEW,
     .tape = "put a2 64; put b1 64; step; put c1 64; put d0 64; clock 1000; step; "
             "put d1 24; put d2 8"},
    {.name = "flush",
     .purpose = "A memtable becomes a table, then its log is given up.",
     .geometry = &wide,
     .policy = SYNC_ALWAYS,
     .before = FEW,
     .tape = "put a2 24; put b1 64; flush; put a0 8"},
    {.name = "flush-unsynced",
     .purpose = "A flush of writes that no sync has covered makes them durable.",
     .geometry = &wide,
     .policy = SYNC_NO,
     .before = FEW,
     .tape = "put a2 24; put b1 64; del a0; flush; put a0 8; put a0 24"},
    {.name = "compact-level0",
     .purpose = "Overlapping tables of level 0 are merged and then deleted.",
     .geometry = &tiny,
     .policy = SYNC_ALWAYS,
     .before = "put a0 8; put b0 24; flush",
     .tape = "put a0 24; put c0 8; flush; step; put b0 8"},
    {.name = "compact-deep",
     .purpose = "Compaction across levels with several outputs.",
     .geometry = &steep,
     .policy = SYNC_ALWAYS,
     .before = "put a0 64; put b0 64; put c0 64; flush; put a1 64; put b1 64; "
               "put c1 64; flush; step",
     .tape = "put a0 24; put d0 64; flush; step; put b0 8; flush; step; put c0 8"},
    {.name = "compact-all",
     .purpose = "A manual compaction of everything, with writes that are not synced.",
     .geometry = &steep,
     .policy = SYNC_NO,
     .before = "put a0 64; put b0 64; flush; put c0 64; flush; step",
     .tape = "put a0 24; del b0; compact; put b0 8"},
    {.name = "trivial-move",
     .purpose = "A table moves to another level without being rewritten.",
     .geometry = &wide,
     .policy = SYNC_ALWAYS,
     .before = "put a0 8; put a1 8; flush; compact; put c0 8; put c1 8",
     .tape = "compact; put b0 8; del c0; compact"},
    {.name = "tombstone-drop",
     .purpose = "A tombstone with nothing below it goes; the key must not come back.",
     .geometry = &tiny,
     .policy = SYNC_ALWAYS,
     .before = "put a0 24; put b0 8; flush; del a0",
     .tape = "flush; compact; put c0 8; del b0; compact"},
    {.name = "expiry",
     .purpose = "A key and its deadline come and go together, with the count of keys.",
     .geometry = &tiny,
     .policy = SYNC_NO,
     .before = FEW,
     .tape = "put a2 8 + put d0 0 + add 0 1; put b2 8 + put d1 0 + add 0 1; "
             "del a2 + del d0 + add 0 -1; flush; del b2 + del d1 + add 0 -1"},
    {.name = "counters",
     .purpose = "Registers are summed by recovery and stored by a flush, never twice.",
     .geometry = &tiny,
     .policy = SYNC_NO,
     .before = FEW,
     .tape = "add 0 5; add 1 7; flush; add 0 -3; set 2 9; flush; add 0 1"},
    {.name = "manifest-roll",
     .purpose = "The manifest rolls over and the pointer is switched.",
     .geometry = &rolling,
     .policy = SYNC_ALWAYS,
     .before = FEW,
     .tape = "put a2 24; flush; put b1 8; flush; put c1 8"},
    {.name = "manifest-unsynced",
     .purpose = "The pointer is switched while writes wait for their sync.",
     .geometry = &rolling,
     .policy = SYNC_NO,
     .before = FEW,
     .tape = "put a2 64; put b1 64; put c1 24; step; flush; put d1 8; put d2 24"},
    {.name = "flushall",
     .purpose = "All keys of a prefix go at once, in a record of the log.",
     .geometry = &tiny,
     .policy = SYNC_NO,
     .before = FEW,
     .tape = "floor a; put a2 8; floor b + set 0 0; flush; floor a; put a0 8; compact"},
    {.name = "close-reopen",
     .purpose = "A clean close leaves nothing to recover.",
     .geometry = &tiny,
     .policy = SYNC_NO,
     .before = FEW,
     .tape = "put a2 24; put b1 24; reopen; put a2 8; put c1 24; close; open; del a2; "
             "flush"},
    {.name = "reopen",
     .purpose = "The first edit after a clean reopen follows a mark that is not synced.",
     .geometry = &rolling,
     .policy = SYNC_ALWAYS,
     .before = FEW,
     .tape = "reopen; put b1 8; flush; reopen; flush; put a0 8"},
    {.name = "idle-mark",
     .purpose = "An idle store notes how far it is durable; the note may be lost.",
     .geometry = &tiny,
     .policy = SYNC_EVERYSEC,
     .before = FEW,
     .tape = "put a2 8; clock 1000; step; clock 1000; step; put b1 24; clock 1000; step; "
             "clock 2000; step; put c1 8"},
    {.name = "torn-tail",
     .purpose = "Reopened after a power cut that tore the log; then written again.",
     .geometry = &tiny,
     .policy = SYNC_NO,
     .before = FEW,
     .tape = "put a2 64; put b1 64; put c1 8; cut 5; put a2 24; put d1 64; cut 9; "
             "put d2 8"},
    {.name = "write-after-recovery",
     .purpose = "What is acknowledged after a recovery survives the next cut.",
     .geometry = &tiny,
     .policy = SYNC_ALWAYS,
     .before = FEW,
     .tape = "put a2 24; put b1 8; cut 3; put a2 8; put c1 24; cut 7; put b2 8; "
             "flush; put c2 8"},
    {.name = "retry",
     .purpose = "A write that a power cut lost, but not the one behind it, is repeated.",
     .geometry = &wide,
     .policy = SYNC_NO,
     .before = FEW,
     .tape = "reopen; del a3 + del b3; put c1 24; cut 1; del a3 + del b3"},
    {.name = "killed",
     .purpose = "The process dies and comes back while its writes are in the cache only.",
     .geometry = &tiny,
     .policy = SYNC_NO,
     .before = FEW,
     .tape =
         "put a2 24; put b1 64; kill; put a2 8; put c1 64; kill; put c2 8; put d1 24"},
    {.name = "recycle",
     .purpose = "Logs are used again under new names; what they held stays buried.",
     .geometry = &tiny,
     .policy = SYNC_NO,
     .before = "put a0 64; put a1 64; flush; put a0 64; put b1 64; flush; step",
     .tape = "put a0 24; put b0 64; flush; put a1 24; put c0 24; step; flush; put a0 8; "
             "put b1 8"},
    {.name = "failed-fsync",
     .purpose = "A sync fails: the group is an error, later writes are refused, reopen.",
     .geometry = &tiny,
     .policy = SYNC_ALWAYS,
     .before = FEW,
     .tape = "put a2 24; begin; put b1 24; put a0 8; fail 0; commit; put c1 8; get a0; "
             "kill; put c1 24; put c2 8"},
    {.name = "failed-write",
     .purpose = "A write of the log stops half way; the store is opened again.",
     .geometry = &tiny,
     .policy = SYNC_ALWAYS,
     .before = FEW,
     .tape = "put a2 24; begin; put b1 64; fail 113; commit; get b1; kill; put b1 8; "
             "put c2 8"},
    {.name = "new-log",
     .purpose = "A record that was refused is in the log; a new log must not follow it.",
     .geometry = &tiny,
     .policy = SYNC_ALWAYS,
     .before = FEW "; step",
     .tape = "put a2 24; begin; put b1 24; put a0 8; fail 2; commit; get a0; fail 0; "
             "step; put c1 24; clock 1000; step; put c1 24; put a2 8; get b1"},
    {.name = "new-log-unsynced",
     .purpose = "A sync fails that covers acknowledged writes; they go into a table.",
     .geometry = &tiny,
     .policy = SYNC_EVERYSEC,
     .before = FEW "; step",
     .tape = "put a2 24; put b1 64; clock 1000; fail 0; step; get b1; step; put c1 24; "
             "del a2; clock 1000; step"},
    {.name = "failed-write-comeback",
     .purpose = "A write stops half way, and the store comes back through a new log.",
     .geometry = &tiny,
     .policy = SYNC_NO,
     .before = FEW "; step",
     .tape = "put a2 24; fail 113; put b1 64; step; get b1; put b1 8; put c2 8"},
    {.name = "disk-full",
     .purpose =
         "A write finds no room and is there all the same; the next one takes its place.",
     .geometry = &tiny,
     .policy = SYNC_EVERYSEC,
     .before = FEW "; step",
     .tape = "put a2 8; fail 6; put b1 24; put b2 8; get b1; clock 1000; step; "
             "fail 117; put c1 24; put c2 8; clock 1000; step"},
    {.name = "failed-edit",
     .purpose = "Nobody knows whether an edit is durable; a new manifest ends the doubt.",
     .geometry = &wide,
     .policy = SYNC_ALWAYS,
     .before = "put a0 8; put a1 8; flush; step",
     .tape = "fail 2; compact; put b1 8; clock 1000; step; put c1 8; flush; put a1 8"},
    {.name = "failed-switch",
     .purpose = "A new manifest fails at its first call, too, and is tried again.",
     .geometry = &wide,
     .policy = SYNC_NO,
     .before = "put a0 8; put a1 8; flush; step",
     .tape = "fail 0; compact; clock 1000; fail 2; step; put b1 8; clock 2000; step; "
             "put c1 8; flush"},
    {.name = "policy-switch",
     .purpose = "Unsynced writes are followed by one that asks for a sync.",
     .geometry = &tiny,
     .policy = SYNC_NO,
     .before = FEW,
     .tape = "put a2 64; put b1 24; policy always; put c1 24; policy no; put c2 8; "
             "put a2 8"},
    {.name = "stranger",
     .purpose = "Somebody else's file in the directory outlives everything.",
     .geometry = &tiny,
     .policy = SYNC_ALWAYS,
     .before = FEW,
     .stranger = true,
     .tape = "put a2 8; flush; put b1 8; compact; reopen; put c1 8"},

    /* ---- whole servers ---- */

    {.name = "server-start",
     .purpose = "A server creates its store and answers its first commands.",
     .geometry = &tiny,
     .policy = SYNC_ALWAYS,
     .dialogue = "a SET k 1; turn 2; a GET k; b DBSIZE; turn"},
    {.name = "pipeline",
     .purpose = "Commands that depend on each other, in one pipeline and one group.",
     .geometry = &wide,
     .policy = SYNC_ALWAYS,
     .before = KEYS_BEFORE,
     .dialogue = "a SET x @100; a APPEND x @30; a GET x; a INCR n; a SET y @60; turn; "
                 "a INCR n; a DEL k; a GET k; a DBSIZE; turn; a SET k again; turn"},
    {.name = "pipeline-slices",
     .purpose = "A pipeline arrives in pieces that end within commands.",
     .geometry = &tiny,
     .policy = SYNC_ALWAYS,
     .before = KEYS_BEFORE,
     .dialogue = "a SET x @70; a INCR n; a DEL m; a GET m; a SET y 2; a slice 41; turn; "
                 "a slice 60; turn; a recv 9; turn 6; a recv 0; turn 2; a DBSIZE; turn"},
    {.name = "slow-reader",
     .purpose = "Replies leave in pieces; what only half left is not acknowledged.",
     .geometry = &tiny,
     .policy = SYNC_EVERYSEC,
     .before = KEYS_BEFORE,
     .dialogue = "a window 7; a send 3; a INCR n; a SET x 1; a GET k; turn; a INCR n; "
                 "b SET y 5; turn; a read 3; turn; wait 1100; a read 7; turn; "
                 "a SET x 2; turn; wait 1100; turn; a read 9; turn 3; a read 99; turn"},
    {.name = "one-turn",
     .purpose = "Three clients write in one turn and share one record and one sync.",
     .geometry = &wide,
     .policy = SYNC_ALWAYS,
     .before = KEYS_BEFORE,
     .dialogue = "a SET x @100; b SET x @90; c APPEND x @80; b GET x; turn; a INCR n; "
                 "b INCR n; c INCR n; a GET n; turn; c DEL x n; a DBSIZE; turn"},
    {.name = "readers",
     .purpose = "Whoever was told something finds it again: GET, SCAN, DBSIZE, errors.",
     .geometry = &tiny,
     .policy = SYNC_ALWAYS,
     .before = KEYS_BEFORE,
     .dialogue = "a SET x @60; b GET x; c SCAN 0 COUNT 1000; turn; a DEL k; b EXISTS k; "
                 "c DBSIZE; turn; a SET n word; b INCR n; c MGET k n x; turn; c DBSIZE; "
                 "turn"},
    {.name = "readers-everysec",
     .purpose =
         "The same when replies do not wait for a sync: a prefix of what was told.",
     .geometry = &tiny,
     .policy = SYNC_EVERYSEC,
     .before = KEYS_BEFORE,
     .dialogue = "a SET x @60; b GET x; turn; wait 1000; turn; a DEL k; b EXISTS k; "
                 "c DBSIZE; turn; wait 1500; turn; a SET x @20; c GET x; turn; "
                 "wait 900; turn; wait 900; turn; a INCR n; turn"},
    {.name = "msets",
     .purpose = "Batches of a pipeline that nobody syncs are there wholly or not at all.",
     .geometry = &wide,
     .policy = SYNC_NO,
     .before = KEYS_BEFORE,
     .dialogue = "a MSET x @100 y @100 k @60; turn; b MSET x @90 z @70; a MSET y 1 n 2; "
                 "turn; a DEL x y z; turn; a MSET x @80 y @80; turn"},
    {.name = "msets-always",
     .purpose = "Two clients' batches in one group, synced; a reader between them.",
     .geometry = &tiny,
     .policy = SYNC_ALWAYS,
     .before = KEYS_BEFORE,
     .dialogue = "a MSET x @40 y @30 k 2; b GET y; c MSET y @20 n 1; turn; a DEL x y; "
                 "b MSET x 1 z 2; turn"},
    {.name = "deadlines",
     .purpose = "A value and its deadline come, change and go together.",
     .geometry = &tiny,
     .policy = SYNC_ALWAYS,
     .before = KEYS_BEFORE "; a SET s 1 EX 5000; turn",
     .dialogue = "a SET x @40 PX 500; a EXPIRE k 9000; turn; a PERSIST s; b PTTL k; "
                 "turn; a EXPIRE k 8000; a SET k new; turn; wait 600; turn; b EXISTS x; "
                 "b DBSIZE; turn; a EXPIRE m 0; turn"},
    {.name = "deadlines-no",
     .purpose = "The same without syncs, with keys that expire between the writes.",
     .geometry = &wide,
     .policy = SYNC_NO,
     .before = KEYS_BEFORE "; a SET s 1 PX 9000; turn",
     .dialogue = "a SET x @70 PX 300; a EXPIRE k 9000; turn; idle 4; a SET y @60 EX 900; "
                 "turn; wait 9000; turn; a PERSIST k; b SET x 2; turn; a DBSIZE; turn"},
    {.name = "counts",
     .purpose = "DBSIZE is exact after every crash: new keys, old keys, deleted keys.",
     .geometry = &wide,
     .policy = SYNC_NO,
     .before = KEYS_BEFORE,
     .dialogue = "a SET x @50; a SET x @50; a DEL k nothing; turn; a GETDEL x; "
                 "b SET y @90; turn; a DBSIZE; b APPEND z @90; b DEL z z; turn; "
                 "a SET w @60; turn"},
    {.name = "flush-all",
     .purpose = "FLUSHALL between the writes of a pipeline, over two databases.",
     .geometry = &wide,
     .policy = SYNC_NO,
     .before = KEYS_BEFORE "; b SELECT 1; b SET p @30; turn",
     .dialogue =
         "a SET x @80; a FLUSHALL; a SET y @70 EX 9000; turn; b SET q @60; "
         "b DBSIZE; turn; b FLUSHDB; b SET p 2; a SET z @60; turn; a FLUSHDB; turn"},
    {.name = "databases",
     .purpose = "The same name in two databases is two keys.",
     .geometry = &tiny,
     .policy = SYNC_ALWAYS,
     .before = KEYS_BEFORE,
     .dialogue = "b SELECT 1; a SET x @40; b SET x @50; turn; b DEL x; b SET k 9; "
                 "b DBSIZE; turn; b FLUSHDB; a GET k; turn"},
    {.name = "reset",
     .purpose = "A client breaks off with replies unread and a command half said.",
     .geometry = &tiny,
     .policy = SYNC_ALWAYS,
     .before = KEYS_BEFORE,
     .dialogue = "a window 3; a SET x @60; a INCR n; a SET y @60; a slice 140; turn; "
                 "a reset; b GET x; b GET n; turn; c DBSIZE; c DEL x; turn"},
    {.name = "rotate-served",
     .purpose = "Memtables fill, are flushed and merged while clients are served.",
     .geometry = &tiny,
     .policy = SYNC_ALWAYS,
     .before = KEYS_BEFORE,
     .dialogue =
         "a SET x @300; a SET y @300; b GET x; turn 2; a SET x @300; a SET z @300; "
         "turn 2; a DEL y; a SET k @200; b DBSIZE; turn 2; a SET y @300; turn 3"},
    {.name = "rotate-no",
     .purpose = "The same without syncs: a flush makes durable what no sync has.",
     .geometry = &small,
     .policy = SYNC_NO,
     .before = KEYS_BEFORE,
     .dialogue = "a SET x @120; b SET y @90 EX 9000; turn; a SET x @90; turn 2; "
                 "b DEL y; a SET z @150; turn 2; a SET k @20; turn"},
    {.name = "large-served",
     .purpose = "Values larger than a block and than the memtable, in one pipeline.",
     .geometry = &tiny,
     .policy = SYNC_ALWAYS,
     .before = KEYS_BEFORE,
     .dialogue = "a SET x @400; a SET y @1500; b GET y; turn 2; a SET x 1; turn 2"},
    {.name = "idle-service",
     .purpose = "Nobody speaks: keys expire, syncs come due, marks are written.",
     .geometry = &tiny,
     .policy = SYNC_EVERYSEC,
     .before = KEYS_BEFORE "; a SET s @40 PX 900; a SET t @40 PX 8000; turn",
     .dialogue =
         "a SET x @60; turn; idle 12; b SET y @40; turn; idle 14; a DBSIZE; turn; "
         "wait 5000; idle 4; a INCR n; turn; idle 25"},

    /* ---- schedules ---- */

    {.name = "race-flush",
     .purpose = "Puts go on while a full memtable becomes a table.",
     .geometry = &tiny,
     .policy = SYNC_ALWAYS,
     .before = FEW,
     .scheduled = true,
     .tape = "put a2 64; put b1 64; put c1 8; step; put c2 8; step; put d0 24"},
    {.name = "race-flush-sec",
     .purpose = "Puts go on while a full memtable becomes a table, synced once a second.",
     .geometry = &tiny,
     .policy = SYNC_EVERYSEC,
     .before = FEW,
     .scheduled = true,
     .tape = "put a2 64; put b1 64; put c1 8; step; clock 1000; step; put d0 24; "
             "clock 2000"},
    {.name = "race-compact",
     .purpose = "Puts go on while tables are merged, and their files deleted.",
     .geometry = &tiny,
     .policy = SYNC_ALWAYS,
     .before = "put a0 8; put b0 24; flush",
     .scheduled = true,
     .tape = "put a0 24; put c0 8; flush; step; put b0 8; step; put b1 8; step; del a0"},
    {.name = "race-compact-sec",
     .purpose = "Puts go on while tables are merged, and their files deleted, synced "
                "once a second.",
     .geometry = &tiny,
     .policy = SYNC_EVERYSEC,
     .before = "put a0 8; put b0 24; flush",
     .scheduled = true,
     .tape =
         "put a0 24; put c0 8; flush; step; put b0 8; step; clock 1000; step; del a0"},
    {.name = "race-reader",
     .purpose = "An iterator and gets read tables that are merged and deleted meanwhile.",
     .geometry = &tiny,
     .policy = SYNC_ALWAYS,
     .before = "put a0 8; put b0 24; flush",
     .scheduled = true,
     .tape =
         "put a0 24; put c0 8; flush; iterate; step; get b0; step; iterate; step; scan"},
    {.name = "race-reader-sec",
     .purpose = "An iterator and gets read tables that are merged and deleted meanwhile, "
                "synced once a second.",
     .geometry = &tiny,
     .policy = SYNC_EVERYSEC,
     .before = "put a0 8; put b0 24; flush",
     .scheduled = true,
     .tape = "put a0 24; put c0 8; flush; iterate; step; get b0; clock 1000; step; "
             "iterate; scan"},
    {.name = "race-recycle",
     .purpose = "Logs are given up and made ready again under puts that fill them.",
     .geometry = &tiny,
     .policy = SYNC_ALWAYS,
     .before = "put a0 64; flush; step; put a0 64; put b0 64; put c0 8",
     .scheduled = true,
     .tape = "put d0 64; step; put a1 64; put b1 64; put c1 8"},
    {.name = "race-recycle-sec",
     .purpose = "Logs are given up and made ready again under puts that fill them, "
                "synced once a second.",
     .geometry = &tiny,
     .policy = SYNC_EVERYSEC,
     .before = "put a0 64; flush; step; put a0 64; put b0 64; put c0 8",
     .scheduled = true,
     .tape = "put d0 64; step; put a1 64; clock 1000; step; put b1 64; put c1 8"},
    {.name = "race-manifest",
     .purpose = "Puts go on while the manifest rolls over and the pointer is switched.",
     .geometry = &rolling,
     .policy = SYNC_ALWAYS,
     .before = FEW "; flush; put a0 24; flush; put b0 8",
     .scheduled = true,
     .tape = "put a2 64; put b1 64; put c1 8; step; put c2 8; step; put d0 8"},
    {.name = "race-manifest-sec",
     .purpose = "Puts go on while the manifest rolls over and the pointer is switched, "
                "synced once a second.",
     .geometry = &rolling,
     .policy = SYNC_EVERYSEC,
     .before = FEW "; flush; put a0 24; flush; put b0 8",
     .scheduled = true,
     .tape = "put a2 64; put b1 64; put c1 8; step; clock 1000; step; put d0 8"},
    {.name = "race-flushall",
     .purpose = "A flush writes a table while all keys of a prefix go at once.",
     .geometry = &tiny,
     .policy = SYNC_ALWAYS,
     .before = FEW,
     .scheduled = true,
     .tape = "put a2 64; put b1 64; floor a; step; put b2 8; step; floor b; put a0 8"},
    {.name = "race-flushall-sec",
     .purpose = "A flush writes a table while all keys of a prefix go at once, synced "
                "once a second.",
     .geometry = &tiny,
     .policy = SYNC_EVERYSEC,
     .before = FEW,
     .scheduled = true,
     .tape = "put a2 64; put b1 64; floor a; step; clock 1000; step; floor b; put a0 8"},

    {.name = "served-failed-sync",
     .purpose =
         "A group's sync fails: nobody in that turn hears OK, and later no writer.",
     .geometry = &tiny,
     .policy = SYNC_ALWAYS,
     .before = KEYS_BEFORE,
     .dialogue =
         "a SET x @60; turn; failsync 1; b GET k; a SET y @60; b GET y; c SET z 1; "
         "turn; b GET y; a SET y 2; c DBSIZE; turn; b GET x; turn"},
    {.name = "served-failed-write",
     .purpose = "A group's write stops half way, with two clients' pipelines in it.",
     .geometry = &tiny,
     .policy = SYNC_ALWAYS,
     .before = KEYS_BEFORE,
     .dialogue =
         "a SET x @60; turn; failwrite 1; a SET y @60; a INCR n; b DEL k; b GET k; "
         "turn; b GET k; a INCR n; c SCAN 0 COUNT 1000; turn"},
    {.name = "served-full-disk",
     .purpose = "The disk is full: the group is an error, and reads go on.",
     .geometry = &wide,
     .policy = SYNC_NO,
     .before = KEYS_BEFORE,
     .dialogue =
         "a SET x @80; b INCR n; turn; full 1; a SET y @90; b GET x; turn; b GET y; "
         "a DEL k; c DBSIZE; turn"},
    {.name = "served-late-failure",
     .purpose = "The sync of what was acknowledged a second ago fails.",
     .geometry = &tiny,
     .policy = SYNC_EVERYSEC,
     .before = KEYS_BEFORE,
     .dialogue = "a SET x @60; b GET x; turn; failsync 1; wait 1000; turn; a SET y 1; "
                 "b GET x; turn; wait 2500; turn; c DBSIZE; turn"},

    {.name = "checkpoint",
     .purpose = "An online backup is whole or absent.",
     .waiting = "an oracle that judges a store and its copy"},
    {.name = "repair",
     .purpose = "Salvage of a damaged store may itself be cut.",
     .waiting = "a tape that damages files"},
    {.name = "multi-exec",
     .purpose = "A transaction with commands of every kind is one batch.",
     .waiting = "MULTI in the server"},
    {.name = "swapdb",
     .purpose = "Two databases change places in one record.",
     .waiting = "SWAPDB in the server"},
    {.name = "rename",
     .purpose = "A key is under its old name or its new one, never both or neither.",
     .waiting = "RENAME in the server"},
    {.name = "copy",
     .purpose = "A copy has the value and the deadline of its source.",
     .waiting = "COPY in the server"},
};
const size_t scenario_count = sizeof scenarios / sizeof *scenarios;

const struct scenario *scenario_find(const char *name)
{
    for (size_t i = 0; i < scenario_count; i++)
        if (!strcmp(scenarios[i].name, name)) return &scenarios[i];
    return NULL;
}

void scenario_options(const struct scenario *s, struct options *out)
{
    const struct geometry *g = s->geometry;
    options_init(out);
    out->sync = s->policy;
    out->memtable_bytes = g->memtable_bytes;
    out->log_bytes = g->log_bytes;
    out->block_bytes = g->block_bytes;
    out->restart_interval = 2;
    out->filter_bits = g->filter_bits;
    out->table_bytes = g->table_bytes;
    out->cache_bytes = 0;
    out->level0_tables = g->level0_tables;
    out->level1_bytes = g->level1_bytes;
    out->level_ratio = 2;
    out->manifest_bytes = g->manifest_bytes;
    out->write_buffer_bytes = g->write_buffer_bytes;
    out->spare_logs = 1;
    for (unsigned l = 0; l < LEVELS_MAX; l++)
        out->codecs[l] = CODEC_NONE;
}
