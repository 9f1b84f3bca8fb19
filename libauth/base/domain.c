/*
 * domain: one form of a domain name, and what can be said of it as text.
 *
 * For: every comparison of domains (RFC 1035 2.3.4, 4343, 5890, 8616). Waits:
 * never. Memory: the caller's arena. Callers: anyone. The only file that
 * includes libidn2.
 */
#include "libauth/base/domain.h"
#include "libauth/base/lex.h"

#include <idn2.h>
#include <string.h>

/* Label by label: `ok` says which octets a label may hold. */
static bool labels_ok(am_str s, bool (*ok)(char))
{
    size_t len = 0;
    if (s.n && s.p[s.n - 1] == '.')
        s.n--;
    if (s.n == 0 || s.n > AM_DOMAIN_MAX)
        return false;
    for (size_t i = 0; i <= s.n; i++) {
        if (i == s.n || s.p[i] == '.') {
            if (len == 0 || len > AM_LABEL_MAX)
                return false;
            len = 0;
        } else if (!ok(s.p[i])) {
            return false;
        } else {
            len++;
        }
    }
    return true;
}

static bool host_octet(char c)
{
    return am_is(c, AM_LDH) || c == '_';
}

static bool any_octet(char c)
{
    return c != '\0' && c != '\\';
}

bool am_domain_askable(am_str s)
{
    return labels_ok(s, any_octet);
}

/* U-labels to A-labels; `in` holds at least one octet above 0x7F. */
static bool to_alabels(am_arena *a, am_str in, am_str *out)
{
    char *utf8 = am_arena_copy(a, in.p, in.n), *alabels = NULL;
    if (!utf8 || memchr(in.p, '\0', in.n))
        return false;
    int rc = idn2_to_ascii_8z(utf8, &alabels, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (rc == IDN2_OK)
        *out = am_str_copy(a, am_str_of(alabels));
    idn2_free(alabels);
    return rc == IDN2_OK && out->p;
}

bool am_domain_normalise(am_arena *a, am_str in, am_str *out)
{
    bool ascii = true;
    if (in.n > 4 * AM_DOMAIN_MAX)
        return false;
    for (size_t i = 0; i < in.n; i++)
        ascii = ascii && !am_is(in.p[i], AM_HIGH);
    if (!ascii && !to_alabels(a, in, &in))
        return false;
    if (!labels_ok(in, host_octet))
        return false;
    if (in.p[in.n - 1] == '.')
        in.n--;
    *out = am_str_lower(a, in);
    return out->p != NULL;
}

size_t am_domain_labels(am_str s)
{
    size_t n = s.n > 0;
    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == '.';
    return n;
}

am_str am_domain_tail(am_str s, size_t labels)
{
    for (size_t i = s.n; i > 0; i--)
        if (s.p[i - 1] == '.' && labels-- == 1)
            return am_str_cut(s, i, s.n);
    return s;
}

am_str am_domain_parent(am_str s)
{
    return am_str_cut(s, am_str_find(s, '.') + 1, s.n);
}

bool am_domain_under(am_str name, am_str ancestor)
{
    if (ancestor.n == 0 || !am_str_iends(name, ancestor))
        return false;
    return name.n == ancestor.n || name.p[name.n - ancestor.n - 1] == '.';
}
