/* Macro strings (RFC 7208 7): parsed once into pieces, expanded against a table of values. */
#ifndef AM_SPF_MACRO_H
#define AM_SPF_MACRO_H

#include "libauth/base/ip.h"
#include "libauth/base/str.h"

/* One piece of a macro string. */
typedef struct am_spf_piece {
    am_str text;    /* literal and "%%" "%_" "%-": the octets; else absent */
    unsigned keep;  /* rightmost parts wanted; 0: all */
    char letter;    /* 0: literal; '%': "%%" "%_" "%-"; else the macro letter, lower case */
    bool reverse;   /* transformer "r" */
    bool escape;    /* upper-case letter: URL escaped */
    uint8_t delims; /* bit n: the nth of ".-+,/_="; never 0 for a macro letter */
} am_spf_piece;

/* Immutable; pieces and their text belong to whoever made the room. */
typedef struct am_spf_string {
    const am_spf_piece *piece;
    size_t n; /* 0: empty, or absent */
} am_spf_string;

/* At most so many pieces has the macro string `s`. */
size_t am_spf_string_room(am_str s);

/* Parses `s` into room[0 .. am_spf_string_room(s)). `explain`: an explain-string, in which SP and
 * the letters c, r and t are allowed (6.2, 7.2). Ranges point into `s`. False: a syntax error. */
bool am_spf_string_parse(am_str s, bool explain, am_spf_piece *room, am_spf_string *out);

/* How many macros of that letter (lower case) the string holds. */
size_t am_spf_string_uses(am_spf_string s, char letter);

enum { AM_SPF_VALUE_MAX = 1024 }; /* octets; longer values cannot be used */

enum { AM_SPF_LETTERS = 11 };

/* What the letters (RFC 7208 7.2) stand for, in macro.c's order. */
typedef struct am_spf_values {
    am_str of[AM_SPF_LETTERS];
    bool unusable[AM_SPF_LETTERS]; /* not ASCII (RFC 8616 4), or too long for anything */
} am_spf_values;

void am_spf_values_set(am_spf_values *v, char letter, am_str value);

/* Sets i, c and v from the client's address. False: out of memory. */
bool am_spf_values_ip(am_arena *a, am_spf_values *v, const am_ip *ip);

/* Does the string need no value that is unusable? */
bool am_spf_string_usable(am_spf_string s, const am_spf_values *v);

/* As a domain name: one final dot dropped, whole labels cut from the left beyond 253 octets (7.3).
 * May be anything else that is no name: am_domain_askable. Absent: out of memory. */
am_str am_spf_expand_name(am_arena *a, am_spf_string s, const am_spf_values *v);

/* As text: at most `max` octets (up to 1024), cut there. Absent: out of memory. */
am_str am_spf_expand_text(am_arena *a, am_spf_string s, const am_spf_values *v, size_t max);

#endif
