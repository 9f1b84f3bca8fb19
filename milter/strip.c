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

bool am_strip_hides_results(am_str value)
{
    am_str name, rest;
    for (am_hidden h = am_hidden_begin(value); am_hidden_next(&h, &name, &rest);)
        if (am_strip_is_results(am_str_trim(name)))
            return true;
    return false;
}

static bool hides_ours(am_strip *s, const am_field *f)
{
    am_str name, rest;
    for (am_hidden h = am_hidden_begin(f->value); am_hidden_next(&h, &name, &rest);) {
        if (!am_strip_is_results(am_str_trim(name)))
            continue;
        if (++s->looked > LOOKED_AT || am_arena_failed(s->arena) ||
            am_authres_claim(s->arena, rest, s->id) != AM_CLAIM_OTHER || am_arena_failed(s->arena))
            return true;
    }
    return false;
}

static bool must_go(am_strip *s, const am_field *f)
{
    return !s->id.p || s->number > LOOKED_AT || am_arena_failed(s->arena) ||
           am_authres_claim(s->arena, f->value, s->id) != AM_CLAIM_OTHER ||
           am_arena_failed(s->arena) || hides_ours(s, f);
}

am_strip am_strip_begin_hidden(am_arena *a, const am_header *header, am_str id)
{
    return (am_strip){.arena = a, .header = header, .id = id, .hidden = true, .above = header->n};
}

/* The next one upwards, its name as a string and its number among those of that name. */
static bool next_hidden(am_strip *s)
{
    while (s->above > s->spared) {
        const am_field *f = &s->header->field[--s->above];
        if (am_strip_is_results(f->name) || !hides_ours(s, f))
            continue;
        s->name = am_str_copy(s->arena, f->name).p;
        s->number = 1;
        for (size_t i = 0; i < s->above; i++)
            s->number += am_str_ieq(s->header->field[i].name, f->name);
        if (s->name)
            return true;
    }
    return false;
}

bool am_strip_next(am_strip *s)
{
    if (s->hidden)
        return next_hidden(s);
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
