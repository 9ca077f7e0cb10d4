#include "server/dispatch.h"

#include <assert.h>
#include <stdio.h>

#include "server/state.h"

#define NAME_BYTES_MAX    16  /* of a command; subcommands may be longer */
#define PREVIEW_BYTES_MAX 128 /* of names and arguments in error texts, as in Redis */

/* ---- look-up ---- */

/* Up to eight bytes as a number, letters in lower case. The bit that makes a letter lower
 * case maps nothing else onto a letter, so that equal numbers mean equal names as long as
 * the table's names are letters only. */
static uint64_t name_word(const uint8_t *p, size_t n)
{
    uint64_t word = 0;
    if (n >= 8) {
        memcpy(&word, p, 8);
    } else if (n >= 4) {
        uint32_t front, back;
        memcpy(&front, p, 4);
        memcpy(&back, p + n - 4, 4);
        word = front | (uint64_t)back << (8 * (n - 4));
    } else {
        for (size_t i = 0; i < n; i++)
            word |= (uint64_t)p[i] << (8 * i);
    }
    uint64_t used = n >= 8 ? UINT64_MAX : (UINT64_C(1) << (8 * n)) - 1;
    return word | (UINT64_C(0x2020202020202020) & used);
}

static size_t slot_of(uint64_t low, uint64_t high)
{
    uint64_t h =
        (low ^ (high * UINT64_C(0x9e3779b97f4a7c15))) * UINT64_C(0xff51afd7ed558ccd);
    return (size_t)(h >> 48) % DISPATCH_SLOTS;
}

static void name_words(slice name, uint64_t *low, uint64_t *high)
{
    *low = name_word(name.data, name.size);
    *high = name.size > 8 ? name_word(name.data + 8, name.size - 8) : 0;
}

void dispatch_init(struct dispatch *d)
{
    memset(d, 0, sizeof *d);
    for (const struct command *c = commands; c->name; c++) {
        slice name = slice_text(c->name);
        assert(name.size <= NAME_BYTES_MAX);
        for (size_t i = 0; i < name.size; i++)
            assert(name.data[i] >= 'a' && name.data[i] <= 'z');
        uint64_t low, high;
        name_words(name, &low, &high);
        size_t at = slot_of(low, high);
        while (d->slots[at].command)
            at = (at + 1) % DISPATCH_SLOTS;
        d->slots[at] = (struct dispatch_slot){low, high, c};
    }
}

const struct command *dispatch_find(const struct dispatch *d, slice name)
{
    if (name.size == 0 || name.size > NAME_BYTES_MAX) return NULL;
    uint64_t low, high;
    name_words(name, &low, &high);
    for (size_t at = slot_of(low, high);; at = (at + 1) % DISPATCH_SLOTS) {
        const struct dispatch_slot *slot = &d->slots[at];
        if (!slot->command) return NULL;
        if (slot->low == low && slot->high == high) return slot->command;
    }
}

const struct command *dispatch_resolve(const struct dispatch *d, const slice *argv,
                                       uint32_t argc, const struct command **parent)
{
    const struct command *found = dispatch_find(d, argv[0]);
    *parent = NULL;
    if (!found || !found->subcommands || argc < 2) return found;
    for (const struct command *sub = found->subcommands; sub->name; sub++)
        if (equals_nocase(argv[1], strchr(sub->name, '|') + 1)) return sub;
    *parent = found;
    return NULL;
}

/* ---- checks ---- */

bool command_takes(const struct command *command, uint32_t argc)
{
    int64_t arity = command->arity;
    return arity >= 0 ? argc == arity : argc >= -arity;
}

static int text_size(slice s, size_t most)
{
    return (int)(s.size < most ? s.size : most);
}

/* A browser can be made to send an HTTP request here whose body is commands. Like Redis we
 * end the connection at its first words. */
static bool is_http(const struct call *c)
{
    return equals_nocase(c->argv[0], "post") || equals_nocase(c->argv[0], "host:");
}

static void reply_unknown(struct call *c, const struct command *parent)
{
    if (!parent && is_http(c)) {
        c->conn->closing = true;
        return;
    }
    if (parent) {
        char name[NAME_BYTES_MAX + 1] = "";
        for (size_t i = 0; parent->name[i]; i++)
            name[i] = (char)(parent->name[i] & ~0x20);
        reply_error(c->out, "ERR unknown subcommand '%.*s'. Try %s HELP.",
                    text_size(c->argv[1], PREVIEW_BYTES_MAX),
                    (const char *)c->argv[1].data, name);
        return;
    }
    char args[2 * PREVIEW_BYTES_MAX] = "";
    int n = 0;
    for (uint32_t i = 1; i < c->argc && n < PREVIEW_BYTES_MAX; i++)
        n += snprintf(args + n, sizeof args - (size_t)n, "'%.*s' ",
                      text_size(c->argv[i], (size_t)(PREVIEW_BYTES_MAX - n)),
                      (const char *)c->argv[i].data);
    reply_error(c->out, "ERR unknown command '%.*s', with args beginning with: %s",
                text_size(c->argv[0], PREVIEW_BYTES_MAX), (const char *)c->argv[0].data,
                args);
}

/* Every key argument is one that the store can hold. */
static bool keys_fit(const struct call *c)
{
    const struct command_keys *k = &c->command->keys;
    if (k->first == 0) return true;
    int64_t last = k->last < 0 ? (int64_t)c->argc + k->last : k->last;
    for (int64_t i = k->first; i <= last && i < c->argc; i += k->step)
        if (c->argv[i].size > KEYSPACE_KEY_BYTES_MAX) return false;
    return true;
}

/* Commands that may only remove are refused when it turns out that they do not. */
static bool is_refused(const struct call *c)
{
    const struct db *db = c->server->db;
    if (!(c->command->flags & CMD_WRITE)) return false;
    return c->command->flags & CMD_DENYOOM ? db_refuses(db) : db_refuses_deletes(db);
}

void dispatch_run(struct call *c, const struct command *parent)
{
    const struct command *command = c->command;
    if (!command) {
        reply_unknown(c, parent);
    } else if (!command_takes(command, c->argc) || !command->run) {
        reply_error(c->out, "ERR wrong number of arguments for '%s' command",
                    command->name);
    } else if (!keys_fit(c)) {
        reply_error(c->out, "ERR key is longer than %u bytes", KEYSPACE_KEY_BYTES_MAX);
    } else if (is_refused(c)) {
        char text[REFUSAL_BYTES];
        db_note_refusal(c->server->db);
        server_refusal(c->server, text);
        reply_error(c->out, "%s", text);
    } else {
        command->run(c);
    }
}
