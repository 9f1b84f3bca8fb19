/*
 * date: date-time of header fields.
 *
 * For: Received and its like (RFC 5322 3.3; obsolete years and zones 4.3; a leap
 * second counts as the second behind it). Waits: never. Memory: none. Callers:
 * parsers of mail/ and above.
 */
#include "libauth/mail/date.h"
#include "libauth/base/lex.h"
#include "libauth/mail/scan.h"

enum { MINUTE = 60, HOUR = 60 * MINUTE };

static const char *const day_names[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};

static const struct {
    const char *name;
    unsigned char days;
} months[] = {{"Jan", 31}, {"Feb", 28}, {"Mar", 31}, {"Apr", 30}, {"May", 31}, {"Jun", 30},
    {"Jul", 31}, {"Aug", 31}, {"Sep", 30}, {"Oct", 31}, {"Nov", 30}, {"Dec", 31}};

/* RFC 5322 4.3: obs-zone; hours east of Greenwich */
static const struct {
    const char *name;
    signed char hours;
} zones[] = {{"UT", 0}, {"GMT", 0}, {"EST", -5}, {"EDT", -4}, {"CST", -6}, {"CDT", -5}, {"MST", -7},
    {"MDT", -6}, {"PST", -8}, {"PDT", -7}, {"UTC", 0}};

/* The next run of octets of `classes`, behind CFWS; empty: none. */
static am_str next(am_str *s, unsigned classes)
{
    size_t n = 0;
    if (!am_scan_cfws(s, NULL))
        *s = (am_str){"", 0};
    while (n < s->n && am_is(s->p[n], classes))
        n++;
    am_str run = am_str_cut(*s, 0, n);
    *s = am_str_cut(*s, n, s->n);
    return run;
}

static bool next_char(am_str *s, char c)
{
    if (!am_scan_cfws(s, NULL) || s->n == 0 || *s->p != c)
        return false;
    *s = am_str_cut(*s, 1, s->n);
    return true;
}

static bool number(am_str *s, unsigned digits, uint64_t max, uint64_t *out)
{
    return am_str_number(next(s, AM_DIGIT), digits, out) && *out <= max;
}

static bool skip_day_name(am_str *s)
{
    am_str at = *s, name = next(&at, AM_ALPHA);
    if (name.n == 0)
        return true;
    for (size_t i = 0; i < sizeof day_names / sizeof *day_names; i++) {
        if (am_str_iis(name, day_names[i])) {
            *s = at;
            return next_char(s, ',');
        }
    }
    return false;
}

static bool month(am_str *s, unsigned *out)
{
    am_str name = next(s, AM_ALPHA);
    for (unsigned i = 0; i < 12; i++) {
        if (am_str_iis(name, months[i].name)) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* RFC 5322 4.3: years of two and three digits */
static bool year(am_str *s, uint64_t *out)
{
    am_str digits = next(s, AM_DIGIT);
    if (digits.n < 2 || !am_str_number(digits, 4, out))
        return false;
    if (digits.n == 2)
        *out += *out < 50 ? 2000 : 1900;
    else if (digits.n == 3)
        *out += 1900;
    return *out >= 1970;
}

static bool time_of_day(am_str *s, int64_t *out)
{
    uint64_t h, m, sec = 0;
    if (!number(s, 2, 23, &h) || !next_char(s, ':') || !number(s, 2, 59, &m))
        return false;
    if (next_char(s, ':') && !number(s, 2, 60, &sec))
        return false;
    *out = (int64_t)(h * HOUR + m * MINUTE + sec);
    return true;
}

static bool numeric_zone(am_str *s, am_date *d, int64_t *east)
{
    bool west = *s->p == '-';
    uint64_t hhmm;
    *s = am_str_cut(*s, 1, s->n);
    if (s->n == 0 || !am_is(*s->p, AM_DIGIT))
        return false;
    am_str digits = next(s, AM_DIGIT);
    if (digits.n != 4 || !am_str_number(digits, 4, &hhmm) || hhmm % 100 > 59)
        return false;
    *east = (int64_t)(hhmm / 100 * HOUR + hhmm % 100 * MINUTE) * (west ? -1 : 1);
    d->zone_known = true;
    d->zone_local = west && hhmm == 0;
    return true;
}

/* RFC 5322 4.3: a military letter or an unknown name tells as much as -0000. */
static bool zone(am_str *s, am_date *d, int64_t *east)
{
    if (!am_scan_cfws(s, NULL) || s->n == 0)
        return false;
    if (*s->p == '+' || *s->p == '-')
        return numeric_zone(s, d, east);
    am_str name = next(s, AM_ALPHA);
    *east = 0;
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
        if (am_str_iis(name, zones[i].name)) {
            *east = zones[i].hours * HOUR;
            d->zone_known = true;
        }
    }
    return name.n > 0;
}

static bool leap(uint64_t y)
{
    return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
}

/* Days from 1970-01-01 to the first of January of that year. */
static int64_t days_before(uint64_t y)
{
    uint64_t p = y - 1;
    return (int64_t)(365 * (y - 1970) + (p / 4 - 492) - (p / 100 - 19) + (p / 400 - 4));
}

bool am_date_parse(am_str text, am_date *out)
{
    uint64_t day, y;
    unsigned mon;
    int64_t clock, east;
    *out = (am_date){0};
    if (!skip_day_name(&text) || !number(&text, 2, 31, &day) || !month(&text, &mon) ||
        !year(&text, &y) || !time_of_day(&text, &clock) || !zone(&text, out, &east))
        return false;
    if (!am_scan_cfws(&text, NULL) || text.n)
        return false;
    if (day == 0 || day > months[mon].days + (mon == 1 && leap(y) ? 1U : 0U))
        return false;
    int64_t days = days_before(y) + (int64_t)day - 1 + (mon > 1 && leap(y));
    for (unsigned i = 0; i < mon; i++)
        days += months[i].days;
    out->time = days * 24 * HOUR + clock - east;
    return true;
}
