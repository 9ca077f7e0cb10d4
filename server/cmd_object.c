/* OBJECT: what Redis tells of a value's inner form. Ours has one form only; the answers
 * are those that Redis would give for the same bytes with the same past: what grew in place
 * stays raw until it is set anew. */
#include "server/cmd.h"

#include "server/number.h"
#include "server/state.h"

#define EMBSTR_BYTES_MAX 44 /* OBJ_ENCODING_EMBSTR_SIZE_LIMIT */

void object_encoding_command(struct call *c)
{
    struct entry e;
    int64_t v;
    if (!call_get(c, c->argv[2], &e)) return;
    if (!e.exists)
        reply_nil(c->out);
    else if (e.grown)
        reply_bulk_text(c->out, "raw");
    else if (number_parse(e.value, &v))
        reply_bulk_text(c->out, "int");
    else
        reply_bulk_text(c->out, e.value.size <= EMBSTR_BYTES_MAX ? "embstr" : "raw");
}

static void reply_number_if_exists(struct call *c, int64_t v)
{
    struct entry e;
    if (!call_get(c, c->argv[2], &e)) return;
    if (e.exists)
        reply_int(c->out, v);
    else
        reply_nil(c->out);
}

void object_refcount_command(struct call *c)
{
    reply_number_if_exists(c, 1);
}

void object_idletime_command(struct call *c)
{
    reply_number_if_exists(c, 0);
}

void object_freq_command(struct call *c)
{
    struct entry e;
    if (!call_get(c, c->argv[2], &e)) return;
    if (!e.exists)
        reply_nil(c->out);
    else
        reply_error(c->out,
                    "ERR An LFU maxmemory policy is not selected, access frequency "
                    "not tracked. Please note that when switching between policies "
                    "at runtime LRU and LFU data will take some time to adjust.");
}

void object_help_command(struct call *c)
{
    static const char *const lines[] = {
        "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "ENCODING <key>",
        "    The form in which Redis would keep the value.",
        "FREQ <key>",
        "    An error: how often keys are read is not counted.",
        "IDLETIME <key>",
        "    Always 0: the time of the last access is not kept.",
        "REFCOUNT <key>",
        "    Always 1: values are not shared.",
        "HELP",
        "    Print this help.",
        NULL,
    };
    reply_help(c, lines);
}
