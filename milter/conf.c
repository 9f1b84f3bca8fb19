/*
 * conf: reads the configuration.
 *
 * For: the daemon, and `authmill check --config`. libconfuse reads the file; the table in
 * milter/option.c says what each text means. Every value is checked where it stands, so that what
 * is wrong is said with its line. Waits: for files. Memory: one arena, freed with the
 * configuration. Callers: one thread at a time, before any other is started.
 *
 * libconfuse's callbacks carry no pointer of ours and its scanner is one a process, so what is
 * being read is noted in one static pointer while am_conf_load runs.
 */
#include "milter/conf.h"
#include "milter/access.h"
#include "milter/option.h"
#include "milter/rule_conf.h"
#include "milter/sealers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_FILE = 1 << 20, MAX_SECTIONS = 16, MAX_OPTIONS = 32, MAX_TABLE = 128 };

/* Added behind the file: seen in a section, that section was never closed. */
static const char end_mark[] = "end-of-the-file";

/* What some editors put first; it means nothing. */
static const char byte_order_mark[] = "\xef\xbb\xbf";

typedef struct reading {
    const char *file; /* as given */
    am_conf *conf;
    const cfg_t *root; /* its line is where the section begins that is being read */
    am_error *why;
    bool failed;              /* why is set: the first error counts */
    unsigned line[MAX_TABLE]; /* where this option of the table stood in the file; 0: nowhere */
    am_rule_reader rules;
} reading;

static reading *now;

static const char *section_of(const cfg_t *cfg)
{
    return !cfg || strcmp(cfg->name, "root") == 0 ? "" : cfg->name;
}

static void say(const cfg_t *cfg, const char *text)
{
    if (now->failed)
        return;
    now->failed = true;
    if (*now->file && cfg && cfg->line > 0)
        am_error_set(now->why, "%s:%d: %s", now->file, cfg->line, text);
    else
        am_error_set(now->why, "%s: %s", *now->file ? now->file : "built-in defaults", text);
}

/* Does it belong outside of this section, or behind the end of the file? What a rule asks for may
 * be called like a section. */
static bool is_outer(const char *section, const char *name)
{
    if (am_rule_conf_is(section) && am_condition_find(name))
        return false;
    return strcmp(name, end_mark) == 0 || strcmp(name, "rule") == 0 || am_option_section(name);
}

static void say_unknown(const cfg_t *cfg, const char *wrong)
{
    am_error e;
    const char *section = section_of(cfg), *where = "";
    if (*section && is_outer(section, wrong)) {
        bool end = strcmp(wrong, end_mark) == 0;
        am_error_set(&e, "section \"%s\" does not end%s%s; a } is missing", section,
            end ? "" : " before ", end ? "" : wrong);
        say(now->root, e.text);
        return;
    }
    const char *near = am_rule_conf_is(section) ? am_rule_conf_nearest(section, wrong, &where)
                                                : am_option_nearest(section, wrong, &where);
    const char *dot = *section ? "." : "";
    if (!near)
        am_error_set(
            &e, "unknown option \"%s%s%s\"; authmill.conf(5) lists them all", section, dot, wrong);
    else if (strcmp(where, section) == 0)
        am_error_set(
            &e, "unknown option \"%s%s%s\"; did you mean \"%s\"?", section, dot, wrong, near);
    else
        am_error_set(&e, "unknown option \"%s%s%s\"; did you mean \"%s\" %s%s?", section, dot,
            wrong, near, *where ? "in section " : "outside of any section", where);
    say(cfg, e.text);
}

/* libconfuse's own complaints: syntax, and names that it does not know. */
static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
    static const char unknown[] = "no such option '";
    static const struct {
        const char *begins, *right;
    } better[] = {
        {"found duplicate title", "every rule needs a title of its own"},
        {"missing title", "wanted: rule \"TITLE\" { ... }"},
        {"missing equal sign", "wanted: NAME = VALUE"},
        {"missing opening brace for section 'rule'",
            "wanted: rule \"TITLE\" { ... }, a title with spaces in quotes"},
        {"missing opening brace", "wanted: NAME { ... }"},
        {"unexpected closing brace", "there is one } too many"},
        {"unexpected token", "wanted: NAME = VALUE, or {VALUE, VALUE} for a list"},
    };
    am_error e;
    vsnprintf(e.text, sizeof e.text, fmt, ap);
    size_t n = strlen(e.text);
    if (strncmp(e.text, unknown, sizeof unknown - 1) == 0 && e.text[n - 1] == '\'') {
        e.text[n - 1] = '\0';
        say_unknown(cfg, e.text + sizeof unknown - 1);
        return;
    }
    if (strstr(e.text, end_mark)) {
        say(cfg, "the file ends before a value does; a value, or a } behind a list, is missing");
        return;
    }
    for (size_t i = 0; i < sizeof better / sizeof *better; i++)
        if (am_str_istarts(am_str_of(e.text), better[i].begins)) {
            snprintf(e.text + n, sizeof e.text - n, "; %s", better[i].right);
            break;
        }
    say(cfg, e.text);
}

/* Every value passes here when it is read; libconfuse keeps the text. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
    union {
        am_socket socket;
        am_net net;
        const char *text;
        size_t octets;
        am_template template;
    } scratch;
    char right[256];
    am_error e;
    const char *section = section_of(cfg);
    const am_option *o = am_option_find(section, opt->name);
    unsigned *line = &now->line[o - am_option_table];
    /* libconfuse has made room for the value already: a list that begins again has one. */
    unsigned n_values = cfg_opt_size(opt);
    bool again = *line && n_values == 1;
    am_error_set(&e, "%s%s%s: ", section, *section ? "." : "", o->name);
    size_t n = strlen(e.text);
    if (strcmp(value, end_mark) == 0)
        snprintf(e.text + n, sizeof e.text - n, "a value is missing");
    else if (again)
        snprintf(e.text + n, sizeof e.text - n, "given twice; keep one of them");
    else if (n_values > AM_CONF_LIST_MAX)
        snprintf(e.text + n, sizeof e.text - n, "more than %d entries", AM_CONF_LIST_MAX);
    else if (!o->parse(now->conf->arena, o, value, &scratch))
        snprintf(e.text + n, sizeof e.text - n, "\"%.64s\" is not right; wanted: %s", value,
            am_option_right(o, right, sizeof right));
    else {
        *line = *line ? *line : (unsigned)(cfg->line > 0 ? cfg->line : 1);
        *(const char **)result = value;
        return 0;
    }
    say(cfg, e.text);
    return -1;
}

/* Values of rules are read when all of them are there; only where they stand is noted now. */
static int on_rule_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
    *(const char **)result = value;
    if (am_rule_conf_note(&now->rules, cfg, opt->name))
        return 0;
    say(cfg, "out of memory");
    return -1;
}

static int on_rule_end(cfg_t *cfg, cfg_opt_t *opt)
{
    if (am_rule_conf_note(&now->rules, cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1), ""))
        return 0;
    say(cfg, "out of memory");
    return -1;
}

static void store(const cfg_opt_t *opt, const am_option *o, am_conf *c)
{
    unsigned n = cfg_opt_size((cfg_opt_t *)(uintptr_t)opt);
    for (unsigned i = 0; i < n; i++) {
        const char *text = cfg_opt_getnstr((cfg_opt_t *)(uintptr_t)opt, i);
        char *to = (char *)c + (o->size ? o->item + i * o->size : o->offset);
        if (!o->parse(c->arena, o, text ? text : "", to) && text && *text)
            now->failed = true; /* it was right when it was read: no memory */
    }
    if (o->size)
        memcpy((char *)c + o->offset, &n, sizeof n);
}

/* All values in one line, for people and for comparing. */
static const char *values_of(am_arena *a, cfg_opt_t *opt)
{
    am_buf b = {.arena = a};
    for (unsigned i = 0; i < cfg_opt_size(opt); i++) {
        const char *text = cfg_opt_getnstr(opt, i);
        am_buf_cstr(&b, i ? ", " : "");
        am_buf_cstr(&b, text ? text : "");
    }
    am_buf_char(&b, '\0');
    now->failed = now->failed || b.failed;
    return b.p;
}

static void store_all(cfg_t *cfg, am_conf *c)
{
    const char **value = am_arena_array(c->arena, am_option_count, sizeof *value);
    unsigned *line = am_arena_array(c->arena, am_option_count, sizeof *line);
    now->failed = now->failed || !value || !line;
    for (size_t i = 0; !now->failed && i < am_option_count; i++) {
        const am_option *o = &am_option_table[i];
        cfg_opt_t *opt = cfg_getopt(*o->section ? cfg_getsec(cfg, o->section) : cfg, o->name);
        store(opt, o, c);
        value[i] = values_of(c->arena, opt);
        line[i] = now->line[i];
    }
    c->value = value;
    c->line = line;
}

/* The options of one section, from the table, in libconfuse's form. */
static void fill(const char *section, cfg_opt_t *out)
{
    cfg_opt_t end = CFG_END();
    for (size_t i = 0; i < am_option_count; i++) {
        const am_option *o = &am_option_table[i];
        if (strcmp(o->section, section) != 0)
            continue;
        cfg_opt_t one = CFG_STR_CB(o->name, o->fallback, CFGF_NONE, on_value);
        cfg_opt_t list =
            CFG_STR_LIST_CB(o->name, (char *)(uintptr_t)o->fallback, CFGF_NONE, on_value);
        *out++ = o->size ? list : one;
    }
    *out = end;
}

/* Reads text, or the defaults alone where it is NULL; the whole tree. NULL: now->why says. */
static cfg_t *read_text(const char *text)
{
    cfg_opt_t part[MAX_SECTIONS][MAX_OPTIONS], root[MAX_SECTIONS + MAX_OPTIONS];
    am_rule_options rule;
    cfg_opt_t mark = CFG_STR(end_mark, "", CFGF_NONE), end = CFG_END();
    size_t n = 0, sections = 0;
    fill("", root);
    while (root[n].name)
        n++;
    for (size_t i = 0; i < am_option_count; i++) {
        const char *section = am_option_table[i].section;
        if (*section == '\0' || strcmp(section, am_option_table[i - 1].section) == 0)
            continue;
        fill(section, part[sections]);
        cfg_opt_t sec = CFG_SEC(section, part[sections], CFGF_NONE);
        root[n++] = sec;
        sections++;
    }
    root[n++] = am_rule_conf_section(&rule, on_rule_value);
    root[n++] = mark;
    root[n] = end;
    cfg_t *cfg = cfg_init(root, CFGF_NONE);
    if (!cfg)
        return NULL;
    now->root = cfg;
    cfg_set_error_function(cfg, on_error);
    cfg_set_validate_func(cfg, "rule", on_rule_end);
    memset(now->line, 0, sizeof now->line); /* the defaults of lists came by */
    if (text && cfg_parse_buf(cfg, text) != CFG_SUCCESS && !now->failed)
        say(NULL, "cannot be read");
    return cfg;
}

unsigned am_conf_line(const am_conf *c, const char *section, const char *name)
{
    const am_option *o = am_option_find(section, name);
    return o ? c->line[o - am_option_table] : 0;
}

bool am_conf_wrong(
    const am_conf *c, const char *section, const char *name, am_error *why, const char *fmt, ...)
{
    char what[sizeof why->text], at[16] = "";
    unsigned line = am_conf_line(c, section, name);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    if (line)
        snprintf(at, sizeof at, ":%u", line);
    am_error_set(why, "%s%s: %s%s%s: %s", c->file, at, section, *section ? "." : "", name, what);
    return false;
}

static void set_host_name(am_conf *c)
{
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) != 0 || !*host)
        strcpy(host, "localhost");
    const char *name = am_arena_copy(c->arena, host, strlen(host));
    if (!*c->authserv_id)
        c->authserv_id = name;
    if (!*c->receiver)
        c->receiver = name;
    if (!name)
        now->failed = true;
}

static bool load_psl(am_conf *c, am_error *why)
{
    am_error e;
    const char *file = c->dmarc.psl_file;
    if (c->dmarc.use_psl && am_access_plain(file, &e))
        c->dmarc.psl = am_psl_load(*file ? file : NULL, &e);
    return !c->dmarc.use_psl || c->dmarc.psl || am_conf_wrong(c, "dmarc", "psl", why, "%s", e.text);
}

static bool load_sealers(am_conf *c, am_error *why)
{
    am_error e;
    return am_sealers_load(c, &e) || am_conf_wrong(c, "arc", "trusted-sealers", why, "%s", e.text);
}

static bool load_login_map(am_conf *c, am_error *why)
{
    am_error e;
    const char *file = c->methods.login_map_file;
    if (*file && am_access_plain(file, &e))
        c->methods.login_map = am_loginmap_load(file, &e);
    return !*file || c->methods.login_map ||
           am_conf_wrong(c, "methods", "login-map", why, "%s", e.text);
}

static am_conf *read_conf(const char *file, const char *text, am_error *why)
{
    am_arena *a = am_arena_new(0);
    am_conf *c = a ? am_arena_alloc(a, sizeof *c) : NULL;
    am_error_set(why, "%s: out of memory", file);
    if (!c) {
        am_arena_free(a);
        return NULL;
    }
    c->arena = a;
    c->file = am_arena_copy(a, file, strlen(file));
    reading r = {.file = file, .conf = c, .why = why, .failed = c->file == NULL};
    now = &r;
    cfg_t *cfg = read_text(text);
    if (cfg && !r.failed)
        store_all(cfg, c);
    if (cfg && !r.failed && !am_rule_conf_build(&r.rules, cfg, c, why))
        r.failed = true;
    free(r.rules.place);
    if (!r.failed && cfg) {
        set_host_name(c);
        r.failed =
            r.failed || !load_psl(c, why) || !load_sealers(c, why) || !load_login_map(c, why);
        c->own[0] = c->authserv_id;
        c->own[1] = c->receiver;
    }
    bool good = cfg && !r.failed;
    cfg_free(cfg);
    now = NULL;
    if (good)
        return c;
    am_conf_free(c);
    return NULL;
}

/* Can a comment begin behind this octet? libconfuse takes "a#b" and "unix:/x//y" as they are. */
static bool is_boundary(char c)
{
    return strchr(" \t\r\n={}(),+\"'", c) != NULL;
}

/* The octet behind a string that begins at `s`; NULL: it does not end in its line (a backslash
 * joins two). Adds the lines that it is long. */
static char *skip_string(char *s, int *lines)
{
    char quote = *s++;
    for (; *s && *s != '\n'; s++) {
        if (*s == quote)
            return s + 1;
        if (*s == '\\' && s[1] && *++s == '\n')
            ++*lines;
    }
    return NULL;
}

/* Comments become blanks: libconfuse 3.3 counts lines wrongly behind them, and takes a comment
 * that does not end for the end of the file. No value holds a line end, so a string with one lacks
 * its end. Returns 0, or the line at which `wrong` begins. */
static int blank_comments(char *s, const char **wrong)
{
    int line = 1;
    char before = '\n';
    for (; *s; before = *s, s++) {
        line += *s == '\n';
        if (*s == '"' || *s == '\'') {
            int lines = 0;
            *wrong = *s == '"' ? "string does not end in its line; a \" is missing"
                               : "string does not end in its line; a ' is missing";
            if (!(s = skip_string(s, &lines)))
                return line;
            line += lines;
            s--;
        } else if (is_boundary(before) && (*s == '#' || (*s == '/' && s[1] == '/'))) {
            while (s[1] && s[1] != '\n')
                *s++ = ' ';
            *s = ' ';
        } else if (is_boundary(before) && *s == '/' && s[1] == '*') {
            char *end = strstr(s + 2, "*/");
            *wrong = "comment does not end; a */ is missing";
            if (!end)
                return line;
            for (; s < end + 2; s++) {
                line += *s == '\n';
                *s = *s == '\n' ? '\n' : ' ';
            }
            s--;
        }
    }
    return 0;
}

/* Makes text of a file fit for libconfuse, or says what is wrong, and in which line. NULL: nothing
 * is. */
static const char *prepare(char *text, size_t n, int *line)
{
    const char *wrong = NULL, *nul = memchr(text, '\0', n);
    *line = 1;
    if (nul) {
        for (const char *p = text; p < nul; p++)
            *line += *p == '\n';
        return "holds a NUL octet; wanted: text";
    }
    if (strncmp(text, byte_order_mark, 3) == 0)
        memset(text, ' ', 3);
    *line = blank_comments(text, &wrong);
    return *line ? wrong : NULL;
}

/* The file and the mark behind it, comments blanked; freed by the caller. */
static char *slurp(const char *file, am_error *why)
{
    FILE *f = fopen(file, "re");
    char *text = f ? malloc(MAX_FILE + sizeof end_mark + 8) : NULL;
    errno = f && !text ? ENOMEM : errno;
    size_t n = text ? fread(text, 1, MAX_FILE, f) : 0;
    bool good = text && !ferror(f) && n < MAX_FILE;
    am_error_set(why, "%s: %s", file, n == MAX_FILE ? "over 1 MiB" : strerror(errno));
    if (f)
        fclose(f);
    if (good) {
        int line;
        text[n] = '\0';
        const char *wrong = prepare(text, n, &line);
        if (wrong)
            am_error_set(why, "%s:%d: %s", file, line, wrong);
        good = !wrong;
    }
    if (!good) {
        free(text);
        return NULL;
    }
    while (n && (text[n - 1] == '\n' || text[n - 1] == ' '))
        n--; /* so that what is missing at the end is told of the last line */
    sprintf(text + n, " %s=x\n", end_mark);
    return text;
}

static am_conf *load(const char *file, am_error *why)
{
    char *text = slurp(file, why);
    if (!text)
        return NULL;
    am_conf *c = read_conf(file, text, why);
    free(text);
    return c;
}

/* The second policy. It has none itself, so that there is no circle. False: `why`. */
static bool load_shadow(am_conf *c, am_error *why)
{
    am_error e;
    if (!*c->policy.shadow_file)
        return true;
    if (am_access_plain(c->policy.shadow_file, &e))
        c->shadow = load(c->policy.shadow_file, &e);
    if (!c->shadow)
        return am_conf_wrong(c, "policy", "shadow", why, "%s", e.text);
    return !*c->shadow->policy.shadow_file ||
           am_conf_wrong(c, "policy", "shadow", why, "%s names a shadow itself; take that out",
               c->policy.shadow_file);
}

am_conf *am_conf_load(const char *file, am_error *why)
{
    am_conf *c = load(file, why);
    if (!c || load_shadow(c, why))
        return c;
    am_conf_free(c);
    return NULL;
}

am_conf *am_conf_defaults(am_error *why)
{
    return read_conf("", NULL, why);
}

void am_conf_free(am_conf *c)
{
    if (!c)
        return;
    am_conf_free(c->shadow); /* which has none */
    am_psl_free(c->dmarc.psl);
    am_loginmap_free(c->methods.login_map);
    am_arena_free(c->arena); /* c lives there */
}
