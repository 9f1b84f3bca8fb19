/*
 * template: texts of replies with places such as %{domain}.
 *
 * For: milter/policy.c. Parsed when the configuration is read, so that a wrong place is said with
 * its line. Waits: never. Memory: the configuration's arena. Callers: anyone.
 */
#include "milter/template.h"
#include "libauth/base/lex.h"

#include <stdio.h>
#include <string.h>

static const char *const names[AM_PLACES] = {
    [AM_PLACE_DOMAIN] = "domain",
    [AM_PLACE_SENDER_DOMAIN] = "sender-domain",
    [AM_PLACE_CLIENT] = "client",
    [AM_PLACE_HELO] = "helo",
    [AM_PLACE_RECEIVER] = "receiver",
    [AM_PLACE_RULE] = "rule",
    [AM_PLACE_REASON] = "reason",
    [AM_PLACE_URL] = "url",
};

static am_place place_named(am_str name)
{
    for (am_place p = AM_PLACE_DOMAIN; p < AM_PLACES; p++)
        if (am_str_is(name, names[p]))
            return p;
    return AM_PLACE_TEXT;
}

static bool wrong_place(am_error *why, am_str name)
{
    char all[160] = "";
    size_t n = 0;
    for (am_place p = AM_PLACE_DOMAIN; p < AM_PLACES; p++)
        n += (size_t)snprintf(all + n, sizeof all - n, "%s%%{%s}",
            p == AM_PLACE_DOMAIN ? ""
            : p + 1 == AM_PLACES ? " or "
                                 : ", ",
            names[p]);
    am_error_set(
        why, "%%{%.*s} is not known; wanted: %s", (int)(name.n > 32 ? 32 : name.n), name.p, all);
    return false;
}

/* The octets of the next piece, 0: none can be told. */
static size_t next_piece(am_str s, struct am_template_piece *out, am_error *why)
{
    size_t percent = am_str_find(s, '%');
    if (percent > 0) {
        *out = (struct am_template_piece){AM_PLACE_TEXT, am_str_cut(s, 0, percent)};
        return percent;
    }
    if (s.n > 1 && s.p[1] == '%') {
        *out = (struct am_template_piece){AM_PLACE_TEXT, am_str_cut(s, 0, 1)};
        return 2;
    }
    size_t end = am_str_find(s, '}');
    if (s.n < 2 || s.p[1] != '{' || end == s.n) {
        am_error_set(why, "a %% stands alone; wanted: %%{NAME}, or %%%% for the sign itself");
        return 0;
    }
    am_str name = am_str_cut(s, 2, end);
    out->place = place_named(name);
    return out->place != AM_PLACE_TEXT || wrong_place(why, name) ? end + 1 : 0;
}

bool am_template_parse(am_arena *a, am_str text, am_template *out, am_error *why)
{
    am_error_set(why, "wanted: printable ASCII, at most %d octets", AM_TEMPLATE_MAX);
    for (size_t i = 0; i < text.n; i++)
        if (!am_is(text.p[i], AM_VCHAR) && text.p[i] != ' ')
            return false;
    if (text.n > AM_TEMPLATE_MAX)
        return false;
    text = am_str_copy(a, text);
    struct am_template_piece *piece = am_arena_array(a, text.n + 1, sizeof *piece);
    if (!text.p || !piece) {
        am_error_set(why, "out of memory");
        return false;
    }
    *out = (am_template){.piece = piece};
    while (text.n) {
        size_t n = next_piece(text, &piece[out->n++], why);
        if (n == 0)
            return false;
        text = am_str_cut(text, n, text.n);
    }
    return true;
}

const char *am_template_fill(
    const am_template *t, const char *const value[AM_PLACES], char *text, size_t size)
{
    size_t at = 0;
    for (size_t i = 0; i < t->n; i++) {
        am_str s = t->piece[i].text;
        if (t->piece[i].place != AM_PLACE_TEXT)
            s = am_str_of(value[t->piece[i].place]);
        size_t n = s.n < size - 1 - at ? s.n : size - 1 - at;
        if (n)
            memcpy(text + at, s.p, n);
        at += n;
    }
    text[at] = '\0';
    return text;
}

bool am_template_uses(const am_template *t, am_place place)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->piece[i].place == place)
            return true;
    return false;
}
