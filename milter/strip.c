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

am_strip am_strip_begin(am_arena *a, const am_header *header, am_str id, size_t seen)
{
    size_t kept = am_header_count(header, results);
    return (am_strip){.arena = a,
        .header = header,
        .id = id,
        .kept = kept,
        .above = header->n,
        .number = (seen > kept ? seen : kept) + 1};
}

bool am_strip_next(am_strip *s)
{
    if (s->number > s->kept + 1) {
        s->number--;
        return true;
    }
    while (s->above > s->spared) {
        const am_field *f = &s->header->field[--s->above];
        if (!am_strip_is_results(f->name))
            continue;
        s->number--;
        if (s->number > LOOKED_AT || am_arena_failed(s->arena) ||
            am_authres_claim(s->arena, f->value, s->id) != AM_CLAIM_OTHER ||
            am_arena_failed(s->arena))
            return true;
    }
    return false;
}
