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

/* One U-label; where a dot of another script stands in it, several. */
static bool add_alabel(am_buf *b, am_str label)
{
    char *utf8 = am_arena_copy(b->arena, label.p, label.n), *alabel = NULL;
    if (!utf8 || memchr(label.p, '\0', label.n))
        return false;
    int rc = idn2_to_ascii_8z(utf8, &alabel, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (rc == IDN2_OK)
        am_buf_cstr(b, alabel);
    idn2_free(alabel);
    return rc == IDN2_OK && b->n <= AM_DOMAIN_MAX;
}

/* RFC 8616 3: U-labels, and no others, become A-labels. */
static bool to_alabels(am_arena *a, am_str in, am_str *out)
{
    am_buf b = {.arena = a};
    for (bool more = true; more;) {
        size_t dot = am_str_find(in, '.'), before = b.n;
        am_str label = am_str_cut(in, 0, dot);
        if (am_str_is_ascii(label))
            am_buf_str(&b, label);
        else if (!add_alabel(&b, label))
            return false;
        more = dot < in.n;
        if (more && b.n == before) /* each takes time, and none is to be empty but the last */
            return false;
        if (more)
            am_buf_char(&b, '.');
        in = am_str_cut(in, dot + 1, in.n);
    }
    *out = am_buf_get(&b);
    return !b.failed;
}

bool am_domain_normalise(am_arena *a, am_str in, am_str *out)
{
    if (in.n > 4 * AM_DOMAIN_MAX)
        return false;
    if (!am_str_is_ascii(in) && !to_alabels(a, in, &in))
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
