/* Classes of octets (RFC 5234 appendix B.1 and the RFCs named below), locale-free. */
#ifndef AM_BASE_LEX_H
#define AM_BASE_LEX_H

#include <stdbool.h>
#include <stdint.h>

enum {
    AM_ALPHA = 1 << 0,
    AM_DIGIT = 1 << 1,
    AM_ALNUM = AM_ALPHA | AM_DIGIT,
    AM_HEXDIG = 1 << 2, /* either case */
    AM_WSP = 1 << 3,    /* SP, TAB */
    AM_CRLF = 1 << 4,   /* CR, LF */
    AM_FWS = AM_WSP | AM_CRLF,
    AM_VCHAR = 1 << 5, /* 0x21 to 0x7E */
    AM_ATEXT = 1 << 6, /* RFC 5322 3.2.3 */
    AM_TOKEN = 1 << 7, /* RFC 2045 5.1 token */
    AM_BASE64 = 1 << 8,
    AM_HIGH = 1 << 9,   /* 0x80 to 0xFF */
    AM_CTL = 1 << 10,   /* 0x00 to 0x1F, 0x7F */
    AM_LDH = 1 << 11,   /* letter, digit, hyphen */
    AM_FTEXT = 1 << 12, /* RFC 5322 3.6.8: 0x21 to 0x7E but ":" */
};

extern const uint16_t am_lex_table[256];

static inline bool am_is(char c, unsigned classes)
{
    return (am_lex_table[(unsigned char)c] & classes) != 0;
}

static inline char am_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

#endif
