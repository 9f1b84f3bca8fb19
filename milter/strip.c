/*
 * strip: finds the fields that claim to be ours and are not.
 *
 * For: the end of a message. RFC 8601 5: a field with our authserv-id that was there before we
 * came is forged, or from a hop that we know nothing about; one whose authserv-id cannot be read
 * might be taken for ours by somebody. Other hosts' fields stay, and so do the sealed ones of ARC
 * (RFC 8617 4.1.1). Waits: never. Memory: the caller's arena, for parsing. Callers: anyone.
 */
#include "milter/strip.h"

/* Fields that are looked at, from the top; messages have a few, and a heap of more would take time.
 */
enum { LOOKED_AT = 200 };

static const char results[] = "Authentication-Results";

bool am_strip_is_results(am_str name)
{
    return am_str_iis(name, results);
}

am_strip am_strip_begin_all(const am_header *header, const char *name, size_t seen)
{
    size_t kept = am_header_count(header, name);
    return (am_strip){.name = name,
        .header = header,
        .kept = kept,
        .above = header->n,
        .number = (seen > kept ? seen : kept) + 1};
}

am_strip am_strip_begin(am_arena *a, const am_header *header, am_str id, size_t seen)
{
    am_strip s = am_strip_begin_all(header, results, seen);
    s.arena = a;
    s.id = id;
    return s;
}

static bool must_go(const am_strip *s, const am_field *f)
{
    return !s->id.p || s->number > LOOKED_AT || am_arena_failed(s->arena) ||
           am_authres_claim(s->arena, f->value, s->id) != AM_CLAIM_OTHER ||
           am_arena_failed(s->arena);
}

bool am_strip_next(am_strip *s)
{
    if (s->number > s->kept + 1) {
        s->number--;
        return true;
    }
    while (s->above > s->spared) {
        const am_field *f = &s->header->field[--s->above];
        if (!am_str_iis(f->name, s->name))
            continue;
        s->number--;
        if (must_go(s, f))
            return true;
    }
    return false;
}
