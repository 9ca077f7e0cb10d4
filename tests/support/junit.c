#include "tests/support/junit.h"

/* XML 1.0 has no way at all to write most control characters; bytes above 127 may come
 * from a test's binary data and not be UTF-8. Both become question marks. */
static void put_escaped(FILE *xml, const char *text)
{
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '<')
            fputs("&lt;", xml);
        else if (c == '>')
            fputs("&gt;", xml);
        else if (c == '&')
            fputs("&amp;", xml);
        else if (c == '"')
            fputs("&quot;", xml);
        else if ((c < 32 && c != '\n' && c != '\t') || c > 126)
            fputc('?', xml);
        else
            fputc(c, xml);
    }
}

FILE *junit_open(const char *path)
{
    FILE *xml = fopen(path, "w");
    if (xml) fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n", xml);
    return xml;
}

void junit_suite_begin(FILE *xml, const char *name)
{
    fputs("  <testsuite name=\"", xml);
    put_escaped(xml, name);
    fputs("\">\n", xml);
}

void junit_test(FILE *xml, const char *suite, const char *name, double seconds,
                const char *failure)
{
    fputs("    <testcase classname=\"", xml);
    put_escaped(xml, suite);
    fputs("\" name=\"", xml);
    put_escaped(xml, name);
    fprintf(xml, "\" time=\"%.6f\"", seconds);
    if (!failure) {
        fputs("/>\n", xml);
        return;
    }
    fputs("><failure message=\"failed\">", xml);
    put_escaped(xml, failure);
    fputs("</failure></testcase>\n", xml);
}

void junit_suite_end(FILE *xml)
{
    fputs("  </testsuite>\n", xml);
}

bool junit_close(FILE *xml)
{
    fputs("</testsuites>\n", xml);
    bool ok = !ferror(xml);
    return fclose(xml) == 0 && ok;
}
