/* COMMAND: the table of commands, as data for clients. */
#include "server/cmd.h"

#include <stdio.h>

#include "server/glob.h"
#include "server/state.h"

/* ---- COMMAND, COMMAND INFO ---- */

static const struct {
    unsigned flag;
    const char *name;
} flag_names[] = {
    {CMD_WRITE, "write"},           {CMD_READONLY, "readonly"},
    {CMD_DENYOOM, "denyoom"},       {CMD_ADMIN, "admin"},
    {CMD_NOSCRIPT, "noscript"},     {CMD_LOADING, "loading"},
    {CMD_STALE, "stale"},           {CMD_FAST, "fast"},
    {CMD_NO_AUTH, "no_auth"},       {CMD_NO_MULTI, "no_multi"},
    {CMD_ALLOW_BUSY, "allow_busy"},
};

static void reply_flags(struct buf *b, const struct command *cmd)
{
    size_t at = reply_array_begin(b);
    int64_t n = 0;
    for (size_t i = 0; i < sizeof flag_names / sizeof *flag_names; i++) {
        if (!(cmd->flags & flag_names[i].flag)) continue;
        reply_status(b, flag_names[i].name);
        n++;
    }
    reply_array_end(b, at, n);
}

/* Categories follow from the flags, but for the four that the table names. A container
 * has none of those: only its subcommands run. */
static void reply_categories(struct buf *b, const struct command *cmd)
{
    bool admin = cmd->flags & CMD_ADMIN, fast = cmd->flags & CMD_FAST;
    const struct {
        bool has;
        const char *name;
    } rows[] = {
        {cmd->categories & CAT_KEYSPACE, "@keyspace"},
        {cmd->flags & CMD_READONLY, "@read"},
        {cmd->flags & CMD_WRITE, "@write"},
        {cmd->categories & CAT_STRING, "@string"},
        {admin, "@admin"},
        {fast, "@fast"},
        {!fast, "@slow"},
        {admin || cmd->categories & CAT_DANGEROUS, "@dangerous"},
        {cmd->categories & CAT_CONNECTION, "@connection"},
    };
    size_t at = reply_array_begin(b);
    int64_t n = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!rows[i].has) continue;
        reply_status(b, rows[i].name);
        n++;
    }
    reply_array_end(b, at, n);
}

/* The words of a text, as an array of bulk or status replies. */
static void reply_words(struct buf *b, const char *text, bool status)
{
    size_t at = reply_array_begin(b);
    int64_t n = 0;
    for (const char *p = text ? text : ""; *p; n++) {
        size_t size = strcspn(p, " ");
        if (status) {
            buf_append(b, "+", 1);
            buf_append(b, p, size);
            buf_append(b, "\r\n", 2);
        } else {
            reply_bulk(b, slice_of(p, size));
        }
        p += size;
        if (*p) p++;
    }
    reply_array_end(b, at, n);
}

static void reply_pair_int(struct buf *b, const char *name, int64_t v)
{
    reply_bulk_text(b, name);
    reply_int(b, v);
}

/* One key specification: begin at an index, take a range. */
static void reply_key_specs(struct buf *b, const struct command *cmd)
{
    const struct command_keys *k = &cmd->keys;
    reply_array(b, k->first ? 1 : 0);
    if (!k->first) return;
    reply_array(b, 6);
    reply_bulk_text(b, "flags");
    reply_words(b, k->access, true);
    reply_bulk_text(b, "begin_search");
    reply_array(b, 4);
    reply_bulk_text(b, "type");
    reply_bulk_text(b, "index");
    reply_bulk_text(b, "spec");
    reply_array(b, 2);
    reply_pair_int(b, "index", k->first);
    reply_bulk_text(b, "find_keys");
    reply_array(b, 4);
    reply_bulk_text(b, "type");
    reply_bulk_text(b, "range");
    reply_bulk_text(b, "spec");
    reply_array(b, 6);
    reply_pair_int(b, "lastkey", k->last < 0 ? k->last : k->last - k->first);
    reply_pair_int(b, "keystep", k->step);
    reply_pair_int(b, "limit", 0);
}

static void reply_info(struct buf *b, const struct command *cmd)
{
    reply_array(b, 10);
    reply_bulk_text(b, cmd->name);
    reply_int(b, cmd->arity);
    reply_flags(b, cmd);
    reply_int(b, cmd->keys.first);
    reply_int(b, cmd->keys.last);
    reply_int(b, cmd->keys.step);
    reply_categories(b, cmd);
    reply_words(b, cmd->tips, false);
    reply_key_specs(b, cmd);
    size_t at = reply_array_begin(b);
    int64_t n = 0;
    for (const struct command *s = cmd->subcommands; s && s->name; s++, n++)
        reply_info(b, s);
    reply_array_end(b, at, n);
}

/* "get", "client|id" */
static const struct command *find_full(const struct server *s, slice name)
{
    const uint8_t *bar = name.size ? memchr(name.data, '|', name.size) : NULL;
    if (!bar) return dispatch_find(&s->dispatch, name);
    slice words[2] = {slice_of(name.data, (size_t)(bar - name.data)),
                      slice_of(bar + 1, name.size - (size_t)(bar - name.data) - 1)};
    const struct command *parent;
    const struct command *found = dispatch_resolve(&s->dispatch, words, 2, &parent);
    return found && strchr(found->name, '|') ? found : NULL;
}

static void reply_all(struct call *c)
{
    reply_array(c->out, (int64_t)commands_count);
    for (const struct command *cmd = commands; cmd->name; cmd++)
        reply_info(c->out, cmd);
}

void command_command(struct call *c)
{
    reply_all(c);
}

void command_info_command(struct call *c)
{
    if (c->argc == 2) {
        reply_all(c);
        return;
    }
    reply_array(c->out, (int64_t)c->argc - 2);
    for (uint32_t i = 2; i < c->argc; i++) {
        const struct command *cmd = find_full(c->server, c->argv[i]);
        if (cmd)
            reply_info(c->out, cmd);
        else
            reply_nil(c->out);
    }
}

void command_count_command(struct call *c)
{
    reply_int(c->out, (int64_t)commands_count);
}

/* ---- COMMAND DOCS ---- */

static void reply_docs(struct buf *b, const struct command *cmd)
{
    reply_bulk_text(b, cmd->name);
    reply_array(b, cmd->subcommands ? 10 : 8);
    reply_bulk_text(b, "summary");
    reply_bulk_text(b, cmd->summary);
    reply_bulk_text(b, "since");
    reply_bulk_text(b, cmd->since);
    reply_bulk_text(b, "group");
    reply_bulk_text(b, cmd->group);
    reply_bulk_text(b, "complexity");
    reply_bulk_text(b, cmd->complexity);
    if (!cmd->subcommands) return;
    reply_bulk_text(b, "subcommands");
    size_t at = reply_array_begin(b);
    int64_t n = 0;
    for (const struct command *s = cmd->subcommands; s->name; s++, n += 2)
        reply_docs(b, s);
    reply_array_end(b, at, n);
}

void command_docs_command(struct call *c)
{
    size_t at = reply_array_begin(c->out);
    int64_t n = 0;
    if (c->argc == 2)
        for (const struct command *cmd = commands; cmd->name; cmd++, n += 2)
            reply_docs(c->out, cmd);
    for (uint32_t i = 2; i < c->argc; i++) {
        const struct command *cmd = find_full(c->server, c->argv[i]);
        if (!cmd) continue;
        reply_docs(c->out, cmd);
        n += 2;
    }
    reply_array_end(c->out, at, n);
}

/* ---- COMMAND LIST ---- */

static bool in_category(const struct command *cmd, slice category)
{
    struct buf names;
    buf_init(&names, mem_libc(), 4096);
    reply_categories(&names, cmd);
    char wanted[64];
    int n = snprintf(wanted, sizeof wanted, "@%.*s\r\n",
                     category.size < 40 ? (int)category.size : 40,
                     (const char *)category.data);
    bool found = memmem(buf_bytes(&names), buf_size(&names), wanted, (size_t)n) != NULL;
    buf_deinit(&names);
    return found;
}

enum list_filter { LIST_ALL, LIST_NONE, LIST_CATEGORY, LIST_PATTERN };

static void list_one(struct call *c, const struct command *cmd, enum list_filter filter,
                     int64_t *n)
{
    if (filter == LIST_NONE) return;
    if (filter == LIST_CATEGORY && !in_category(cmd, c->argv[4])) return;
    if (filter == LIST_PATTERN && !glob_match_nocase(c->argv[4], slice_text(cmd->name)))
        return;
    reply_bulk_text(c->out, cmd->name);
    (*n)++;
}

void command_list_command(struct call *c)
{
    enum list_filter filter = LIST_ALL;
    if (c->argc != 2) {
        bool by = c->argc == 5 && equals_nocase(c->argv[2], "filterby");
        if (by && equals_nocase(c->argv[3], "module")) {
            filter = LIST_NONE;
        } else if (by && equals_nocase(c->argv[3], "aclcat")) {
            filter = LIST_CATEGORY;
        } else if (by && equals_nocase(c->argv[3], "pattern")) {
            filter = LIST_PATTERN;
        } else {
            reply_syntax_error(c);
            return;
        }
    }
    size_t at = reply_array_begin(c->out);
    int64_t n = 0;
    for (const struct command *cmd = commands; cmd->name; cmd++) {
        list_one(c, cmd, filter, &n);
        for (const struct command *s = cmd->subcommands; s && s->name; s++)
            if (filter != LIST_ALL) list_one(c, s, filter, &n);
    }
    reply_array_end(c->out, at, n);
}

/* ---- COMMAND GETKEYS ---- */

void command_getkeys_command(struct call *c)
{
    const slice *argv = c->argv + 2;
    uint32_t argc = c->argc - 2;
    const struct command *parent;
    const struct command *cmd =
        dispatch_resolve(&c->server->dispatch, argv, argc, &parent);
    if (!cmd) {
        reply_error(c->out, "ERR Invalid command specified");
        return;
    }
    if (cmd->keys.first == 0) {
        reply_error(c->out, "ERR The command has no key arguments");
        return;
    }
    if (!command_takes(cmd, argc)) {
        reply_error(c->out, "ERR Invalid number of arguments specified for command");
        return;
    }
    int64_t last = cmd->keys.last < 0 ? (int64_t)argc + cmd->keys.last : cmd->keys.last;
    size_t at = reply_array_begin(c->out);
    int64_t n = 0;
    for (int64_t i = cmd->keys.first; i <= last; i += cmd->keys.step, n++)
        reply_bulk(c->out, argv[i]);
    reply_array_end(c->out, at, n);
}

void command_help_command(struct call *c)
{
    static const char *const lines[] = {
        "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "(no subcommand)",
        "    Everything about all commands.",
        "COUNT",
        "    How many commands there are.",
        "DOCS [<command-name> ...]",
        "    Texts about these commands, or about all.",
        "GETKEYS <full-command>",
        "    The keys among the words of a command.",
        "INFO [<command-name> ...]",
        "    Everything about these commands, or about all.",
        "LIST [FILTERBY (MODULE <name> | ACLCAT <category> | PATTERN <pattern>)]",
        "    The names of commands.",
        "HELP",
        "    Print this help.",
        NULL,
    };
    reply_help(c, lines);
}
