/*
 * outcome: what a milter's answers make of a message.
 *
 * For: `authmill try`. Changes are applied in order, as an MTA does. Waits:
 * never. Memory: the caller's arena, or jansson's. Callers: try.
 */
#include "tools/outcome.h"

#include <string.h>

#include "tools/json.h"
#include "tools/show.h"

const char *am_outcome_action(const am_play_result *r)
{
    switch (r->verdict) {
    case AM_MILTER_REJECT:
        return "reject";
    case AM_MILTER_TEMPFAIL:
        return "tempfail";
    case AM_MILTER_DISCARD:
        return "discard";
    default:
        return r->quarantined ? "quarantine" : "accept";
    }
}

/* A value without the one space that LEADSPC puts before it. */
static am_str bare_value(const am_play_result *r, am_str value)
{
    bool space = (r->steps & AM_STEP_LEADSPC) && value.n > 1 && value.p[0] == ' ';
    return am_str_cut(value, space, value.n);
}

/* ---- JSON */

/* Where a change is told: the member's name, and which of its parts. */
static const struct {
    char code;
    const char *member;
    bool index, name, value;
} members[] = {
    {AM_MILTER_INSHEADER, "insert", true, true, true},
    {AM_MILTER_ADDHEADER, "add", false, true, true},
    {AM_MILTER_CHGHEADER, "change", true, true, true},
    {AM_MILTER_ADDRCPT, "rcpt_add", false, true, false},
    {AM_MILTER_ADDRCPT_PAR, "rcpt_add", false, true, false},
    {AM_MILTER_DELRCPT, "rcpt_delete", false, true, false},
    {AM_MILTER_CHGFROM, "mail_from", false, true, false},
    {AM_MILTER_REPLBODY, "body", false, false, true},
};

static bool add_edit(json_t *object, const am_play_result *r, const am_play_edit *e)
{
    size_t i = 0;
    while (members[i].code != e->code)
        i++;
    json_t *list = json_object_get(object, members[i].member);
    if (!list) {
        list = json_array();
        if (json_object_set_new(object, members[i].member, list) != 0)
            return false;
    }
    bool single = !members[i].index && !(members[i].name && members[i].value);
    json_t *item = single ? list : json_array();
    bool good = (!members[i].index || json_array_append_new(item, json_integer(e->index)) == 0) &&
                (!members[i].name || json_array_append_new(item, am_json_str(e->name)) == 0) &&
                (!members[i].value ||
                    json_array_append_new(item, am_json_str(bare_value(r, e->value))) == 0);
    if (!single && json_array_append_new(list, item) != 0)
        good = false;
    return good;
}

json_t *am_outcome_json(const am_play_result *r)
{
    json_t *o = json_object();
    bool good = json_object_set_new(o, "action", json_string(am_outcome_action(r))) == 0 &&
                json_object_set_new(o, "reply", am_json_str(r->reply)) == 0 &&
                json_object_set_new(o, "stage", json_string(r->stage)) == 0 &&
                json_object_set_new(o, "insert", json_array()) == 0 &&
                json_object_set_new(o, "add", json_array()) == 0 &&
                json_object_set_new(o, "change", json_array()) == 0 &&
                json_object_set_new(o, "quarantine", am_json_str(r->quarantine)) == 0;
    for (size_t i = 0; i < r->n && good; i++)
        good = add_edit(o, r, &r->edit[i]);
    if (good)
        return o;
    json_decref(o);
    return NULL;
}

/* ---- text */

/* One field of the header that leaves; mark: ' ', '+' or '-'. */
typedef struct line {
    char mark;
    am_str name, value;
} line;

typedef struct lines {
    line *p;
    size_t n, room;
} lines;

/* The place of the nth (from 1) field of that name that is not gone; l->n: none. */
static size_t nth_named(const lines *l, am_str name, uint32_t nth)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->p[i].mark != '-' && am_str_ieq(l->p[i].name, name) && --nth == 0)
            return i;
    return l->n;
}

/* The place below `above` fields that are not gone. */
static size_t place_below(const lines *l, uint32_t above)
{
    size_t i = 0;
    for (; i < l->n && above > 0; i++)
        above -= l->p[i].mark != '-';
    return i;
}

static void insert(lines *l, size_t at, am_str name, am_str value)
{
    if (l->n == l->room)
        return; /* room was made for every change; never met */
    memmove(&l->p[at + 1], &l->p[at], (l->n - at) * sizeof *l->p);
    l->p[at] = (line){'+', name, value};
    l->n++;
}

static void apply(lines *l, const am_play_edit *e)
{
    if (e->code == AM_MILTER_INSHEADER)
        insert(l, place_below(l, e->index), e->name, e->value);
    else if (e->code == AM_MILTER_ADDHEADER)
        insert(l, l->n, e->name, e->value);
    if (e->code != AM_MILTER_CHGHEADER)
        return;
    size_t at = nth_named(l, e->name, e->index ? e->index : 1);
    if (at < l->n)
        l->p[at].mark = '-';
    if (e->value.n) /* changed: the new one stands where the old one stood */
        insert(l, at < l->n ? at + 1 : at, e->name, e->value);
}

static void print_line(FILE *out, const line *l, bool space, bool colour)
{
    const char *on = l->mark == '+' ? "\033[32m" : l->mark == '-' ? "\033[31m" : "";
    am_str value = l->value;
    bool coloured = colour && *on;
    fprintf(out, "%s%c ", coloured ? on : "", l->mark);
    am_show(out, l->name);
    fputs(space ? ": " : ":", out);
    while (value.n) {
        size_t end = am_str_find(value, '\n');
        size_t text = end > 0 && end < value.n && value.p[end - 1] == '\r' ? end - 1 : end;
        am_show(out, am_str_cut(value, 0, text));
        if (end < value.n)
            fprintf(out, "\n%c ", l->mark);
        value = am_str_cut(value, end + 1, value.n);
    }
    fputs(coloured ? "\033[0m\n" : "\n", out);
}

static void print_verdict(FILE *out, const am_play_result *r)
{
    static const struct {
        char code;
        const char *words;
    } words[] = {
        {AM_MILTER_ADDRCPT, "recipient added: "},
        {AM_MILTER_ADDRCPT_PAR, "recipient added: "},
        {AM_MILTER_DELRCPT, "recipient taken out: "},
        {AM_MILTER_CHGFROM, "sender changed: "},
        {AM_MILTER_REPLBODY, "body replaced"},
    };
    fprintf(out, "\naction: %s (%s)\n", am_outcome_action(r), r->stage);
    if (r->reply.n) {
        fputs("reply: ", out);
        am_show(out, r->reply);
        fputc('\n', out);
    }
    if (r->quarantined) {
        fputs("quarantine: ", out);
        am_show(out, r->quarantine);
        fputc('\n', out);
    }
    for (size_t i = 0; i < r->n; i++)
        for (size_t k = 0; k < sizeof words / sizeof words[0]; k++)
            if (r->edit[i].code == words[k].code) {
                fputs(words[k].words, out);
                am_show(out, r->edit[i].name);
                fputc('\n', out);
            }
}

bool am_outcome_text(
    FILE *out, am_arena *a, const am_header *h, const am_play_result *r, bool colour)
{
    lines l = {.room = h->n + r->n};
    bool leadspc = (r->steps & AM_STEP_LEADSPC) != 0;
    l.p = am_arena_array(a, l.room ? l.room : 1, sizeof *l.p);
    if (!l.p)
        return false;
    for (; l.n < h->n; l.n++)
        l.p[l.n] = (line){' ', h->field[l.n].name, h->field[l.n].value};
    for (size_t i = 0; i < r->n; i++)
        apply(&l, &r->edit[i]);
    for (size_t i = 0; i < l.n; i++)
        print_line(out, &l.p[i], l.p[i].mark == '+' && !leadspc, colour);
    print_verdict(out, r);
    return true;
}
