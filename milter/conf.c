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

typedef struct reading {
    const char *file; /* as given */
    am_conf *conf;
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

static void say_unknown(const cfg_t *cfg, const char *wrong)
{
    am_error e;
    const char *section = section_of(cfg), *where = "";
    if (strcmp(wrong, end_mark) == 0) {
        am_error_set(&e, "section \"%s\" does not end; a } is missing", section);
        say(cfg, e.text);
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
    };
    am_error e;
    vsnprintf(e.text, sizeof e.text, fmt, ap);
    size_t n = strlen(e.text);
    for (size_t i = 0; i < sizeof better / sizeof *better; i++)
        if (strncmp(e.text, better[i].begins, strlen(better[i].begins)) == 0 &&
            n + 64 < sizeof e.text)
            n += (size_t)snprintf(e.text + n, sizeof e.text - n, "; %s", better[i].right);
    if (strncmp(e.text, unknown, sizeof unknown - 1) != 0 || e.text[n - 1] != '\'') {
        say(cfg, e.text);
        return;
    }
    e.text[n - 1] = '\0';
    say_unknown(cfg, e.text + sizeof unknown - 1);
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
    if (again)
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
    cfg_set_error_function(cfg, on_error);
    cfg_set_validate_func(cfg, "rule", on_rule_end);
    memset(now->line, 0, sizeof now->line); /* the defaults of lists came by */
    if (text && cfg_parse_buf(cfg, text) != CFG_SUCCESS && !now->failed)
        say(NULL, "cannot be read");
    return cfg;
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

static void load_psl(am_conf *c)
{
    am_error e, all;
    if (!c->dmarc.use_psl || now->failed)
        return;
    c->dmarc.psl = am_psl_load(*c->dmarc.psl_file ? c->dmarc.psl_file : NULL, &e);
    if (c->dmarc.psl)
        return;
    am_error_set(&all, "dmarc.psl: %s", e.text);
    say(NULL, all.text);
}

static void load_sealers(am_conf *c)
{
    am_error e, all;
    if (now->failed || am_sealers_load(c, &e))
        return;
    am_error_set(&all, "arc.trusted-sealers: %s", e.text);
    say(NULL, all.text);
}

static void load_login_map(am_conf *c)
{
    am_error e, all;
    if (now->failed || !*c->methods.login_map_file)
        return;
    c->methods.login_map = am_loginmap_load(c->methods.login_map_file, &e);
    if (c->methods.login_map)
        return;
    am_error_set(&all, "methods.login-map: %s", e.text);
    say(NULL, all.text);
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
        load_psl(c);
        load_sealers(c);
        load_login_map(c);
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

/* Comments become blanks: libconfuse 3.3 counts lines wrongly behind them, and takes a comment
 * that does not end for the end of the file. Returns 0, or the line of such a comment. */
static int blank_comments(char *s)
{
    int line = 1;
    char quote = '\0', before = '\n';
    for (; *s; before = *s, s++) {
        line += *s == '\n';
        if (quote) {
            if (*s == '\\' && s[1]) {
                s++;
                line += *s == '\n';
            } else if (*s == quote) {
                quote = '\0';
            }
        } else if ((*s == '"' || *s == '\'') && is_boundary(before)) {
            quote = *s;
        } else if (is_boundary(before) && (*s == '#' || (*s == '/' && s[1] == '/'))) {
            while (s[1] && s[1] != '\n')
                *s++ = ' ';
            *s = ' ';
        } else if (is_boundary(before) && *s == '/' && s[1] == '*') {
            char *end = strstr(s + 2, "*/");
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

/* The file and the mark behind it, comments blanked; freed by the caller. */
static char *slurp(const char *file, am_error *why)
{
    FILE *f = fopen(file, "re");
    char *text = f ? malloc(MAX_FILE + sizeof end_mark + 8) : NULL;
    errno = f && !text ? ENOMEM : errno;
    size_t n = text ? fread(text, 1, MAX_FILE, f) : 0;
    bool good = text && !ferror(f);
    if (!good)
        am_error_set(why, "%s: %s", file, strerror(errno));
    else if (n == MAX_FILE || memchr(text, '\0', n))
        am_error_set(why, "%s: %s", file, n == MAX_FILE ? "over 1 MiB" : "holds a NUL octet");
    if (f)
        fclose(f);
    if (!good || n == MAX_FILE || memchr(text, '\0', n)) {
        free(text);
        return NULL;
    }
    text[n] = '\0';
    int line = blank_comments(text);
    if (line) {
        am_error_set(why, "%s:%d: comment does not end; a */ is missing", file, line);
        free(text);
        return NULL;
    }
    sprintf(text + n, "\n%s=x\n", end_mark);
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
    const am_option *o = am_option_find("policy", "shadow");
    unsigned line = c->line[o - am_option_table];
    c->shadow = load(c->policy.shadow_file, &e);
    if (!c->shadow)
        am_error_set(why, "%s:%u: policy.shadow: %s", c->file, line, e.text);
    else if (*c->shadow->policy.shadow_file)
        am_error_set(why, "%s:%u: policy.shadow: %s names a shadow itself; take that out", c->file,
            line, c->policy.shadow_file);
    return c->shadow && !*c->shadow->policy.shadow_file;
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
