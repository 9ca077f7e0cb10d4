/* info.h - the text of INFO, section by section.
 *
 * Flow:  cmd_server > info_write > counters of all modules
 * Tests: tests/server/info_test.c
 */
#ifndef SERVER_INFO_H
#define SERVER_INFO_H

#include "engine/slice.h"
#include "server/buf.h"

struct server;

/* Appends the sections with these names ("all", "default" and "everything" mean all; no
 * name too). */
void info_write(struct server *s, const slice *names, uint32_t count, struct buf *out);

#endif
