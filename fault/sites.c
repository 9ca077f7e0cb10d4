#include "fault/sites.h"

#include <assert.h>

#define TEXT_ROW(id, text) [id] = text,
static const char *const kind_texts[] = {FILE_KINDS(TEXT_ROW)};
static const char *const call_texts[] = {FILE_CALLS(TEXT_ROW)};
#undef TEXT_ROW

static const struct site_row {
    const char *name;
    enum file_kind kind;
    enum file_call call;
} site_rows[] = {
#define SITE_ROW(id, text, kind, call) [id] = {text, kind, call},
    SITES(SITE_ROW)
#undef SITE_ROW
};

const char *kind_name(enum file_kind kind)
{
    assert(kind < KIND_COUNT);
    return kind_texts[kind];
}

const char *call_name(enum file_call call)
{
    assert(call < CALL_COUNT);
    return call_texts[call];
}

const char *site_name(enum site site)
{
    assert(site < SITE_COUNT);
    return site_rows[site].name;
}

enum file_kind site_kind(enum site site)
{
    assert(site < SITE_COUNT);
    return site_rows[site].kind;
}

enum file_call site_call(enum site site)
{
    assert(site < SITE_COUNT);
    return site_rows[site].call;
}
