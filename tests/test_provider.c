/* tests/test_provider.c -- what is said to language models and read from them, without a network: providers.json, the three styles, vectors, photos, questions. */
#include "base/json.h"
#include "base/rng.h"
#include "llm/base64.h"
#include "llm/embed.h"
#include "llm/photos.h"
#include "llm/questions.h"
#include "llm/vectors.h"
#include "llm_support.h"

static Support s;
static Template *mine, *judge, *photo_prompt;

static void setup(void) {
    support_begin(&s);
    MUST(template_load("paper/prompts", "mine/v1", s.arena, &mine));
    MUST(template_load("paper/prompts", "judge/v1", s.arena, &judge));
    MUST(template_load("paper/prompts", "mine/v1-photo", s.arena, &photo_prompt));
}
static void teardown(void) { support_end(&s); }

/* ---- providers.json */

START_TEST(the_shipped_file_is_sound) {
    cJSON *tree, *ensemble;
    const cJSON *providers, *members;
    MUST(json_read_file("paper/providers.json", &tree));
    MUST(json_read_file("paper/prompts/ensemble.json", &ensemble));
    MUST(json_get_object("providers.json", tree, "providers", &providers));
    MUST(json_get_object("ensemble.json", ensemble, "models", &members));
    int n = 0;
    for (const cJSON *p = providers->child; p; p = p->next)
        for (const cJSON *m = cJSON_GetObjectItemCaseSensitive(p, "models")->child; m; m = m->next, n++) {
            Provider *provider;
            Model *model;
            ck_assert_msg(providers_find("paper/providers.json", p->string, m->string, s.arena, &provider, &model) == OK, "%s", status_message());
            ck_assert(!model->has_prices || model->price_source); /* no price without its source */
            ck_assert(provider->key_env || strncmp(provider->base_url, "http://127.0.0.1:", 17) == 0);
            const char *known;
            if (!model->is_embedding) ck_assert_msg(ensemble_provider(s.e, model->name, &known) == OK, "%s", status_message());
        }
    ck_assert_int_gt(n, 15);
    static const char *const paper[] = {"gpt-5.1", "gemini-3-pro", "grok-4", "qwen2.5-vl-7b", "qwen2.5-7b", "qwen3-embedding-8b"};
    for (int k = 0; k < 6; k++) {
        Provider *p;
        Model *m;
        ck_assert_msg(providers_find("paper/providers.json", "", paper[k], s.arena, &p, &m) == OK, "%s", status_message());
    }
    for (const cJSON *m = members->child; m; m = m->next) { /* ensemble.json names providers that there are, but for imported answers */
        Provider *p;
        Model *model;
        if (strcmp(m->string, "claude") != 0) ck_assert_msg(providers_find("paper/providers.json", m->valuestring, m->string, s.arena, &p, &model) == OK, "%s", status_message());
    }
    cJSON_Delete(tree);
    cJSON_Delete(ensemble);
}
END_TEST

static Status find_in(const char *text, const char *provider, const char *model) {
    const char *path = support_path(&s, "providers.json");
    Provider *p;
    Model *m;
    support_write(path, text, strlen(text));
    return providers_find(path, provider, model, s.arena, &p, &m);
}

START_TEST(a_faulty_file_is_refused) {
    static const char *const faulty[] = {
        "{\"providers\":{\"a\":{\"style\":\"soap\",\"base_url\":\"https://x\",\"models\":{\"m\":{}}}}}",
        "{\"providers\":{\"a\":{\"style\":\"openai\",\"base_url\":\"ftp://x\",\"models\":{\"m\":{}}}}}",
        "{\"providers\":{\"a\":{\"style\":\"openai\",\"models\":{\"m\":{}}}}}",
        "{\"providers\":{\"a\":{\"style\":\"openai\",\"base_url\":\"https://x\",\"models\":{\"m\":{\"usd_per_million_in\":1}}}}}",
        "{\"providers\":{\"a\":{\"style\":\"openai\",\"base_url\":\"https://x\",\"models\":{\"m\":{\"usd_per_million_in\":1,\"usd_per_million_out\":2}}}}}", /* no source */
        "{\"providers\":{\"a\":{\"style\":\"openai\",\"base_url\":\"https://x\",\"models\":{\"m\":{\"usd_per_million_in\":-1,\"usd_per_million_out\":2,\"price_source\":\"s\"}}}}}",
        "{\"providers\":{\"a\":{\"style\":\"openai\",\"base_url\":\"https://x\",\"models\":{\"m\":{\"rpm\":1}}}}}",
        "{\"providers\":{\"a\":{\"style\":\"openai\",\"base_url\":\"https://x\",\"models\":{\"m\":{\"kind\":\"image\"}}}}}",
        "{\"providers\":{\"a\":{\"style\":\"openai\",\"base_url\":\"https://x\",\"headers\":{\"a\":\"b\\r\\nc: d\"},\"models\":{\"m\":{}}}}}"};
    for (size_t k = 0; k < sizeof faulty / sizeof *faulty; k++) ck_assert_msg(find_in(faulty[k], "", "m") == E_INPUT, "case %zu", k);
    static const char twice[] = "{\"providers\":{\"a\":{\"style\":\"openai\",\"base_url\":\"https://x/\",\"models\":{\"m\":{}}},\"b\":{\"style\":\"gemini\",\"base_url\":\"https://y\",\"models\":{\"m\":{}}}}}";
    ck_assert_int_eq(find_in(twice, "", "m"), E_USAGE);
    ck_assert_ptr_nonnull(strstr(status_fix(), "--provider"));
    ck_assert_int_eq(find_in(twice, "b", "m"), OK);
    ck_assert_int_eq(find_in(twice, "", "other"), E_USAGE);
    ck_assert_ptr_nonnull(strstr(status_fix(), "m (a), m (b)"));
}
END_TEST

START_TEST(a_key_never_travels_unencrypted) {
    Provider p = {.name = "x", .key_env = "DIGR_TEST_API_KEY"};
    const char *key;
    (void)setenv("DIGR_TEST_API_KEY", "sk-secret", 1);
    static const char *const fine[] = {"https://example.org/v1", "http://127.0.0.1:8000/v1", "http://localhost/v1", "http://[::1]:80"};
    static const char *const open_ones[] = {"http://example.org/v1", "http://127.0.0.1.example.org/v1", "http://localhost.example.org", "http://10.0.0.7:8000/v1"};
    for (int k = 0; k < 4; k++) {
        p.base_url = fine[k];
        ck_assert_int_eq(provider_key(&p, &key), OK);
        ck_assert_str_eq(key, "sk-secret");
        p.base_url = open_ones[k];
        ck_assert_int_eq(provider_key(&p, &key), E_USAGE);
        ck_assert_ptr_null(strstr(status_message(), "sk-secret"));
    }
    p.key_env = NULL;
    ck_assert_int_eq(provider_key(&p, &key), OK);
    ck_assert_ptr_null(key);
}
END_TEST

/* ---- requests */

static cJSON *body_of(ApiStyle style, const Model *m, const ChatRequest *r, HttpCall *call) {
    Provider p = {.name = "x", .base_url = "https://x/v1", .key_env = "K", .style = style, .n_headers = 1, .header = {"x-team: blue"}};
    chat_call(&p, m, r, s.arena, call);
    ck_assert_uint_eq(call->n_body, strlen(call->body));
    cJSON *tree = cJSON_Parse(call->body);
    ck_assert_ptr_nonnull(tree);
    return tree;
}

/* "a.0.b" in a tree, printed without blanks; "" when absent */
static const char *at(const cJSON *tree, const char *path) {
    char *rest = arena_strdup(s.arena, path);
    for (char *name; tree && (name = strsep(&rest, "."));) tree = *name >= '0' && *name <= '9' ? cJSON_GetArrayItem(tree, atoi(name)) : cJSON_GetObjectItemCaseSensitive(tree, name);
    if (!tree) return "";
    if (cJSON_IsString(tree)) return arena_strdup(s.arena, tree->valuestring);
    char *text = cJSON_PrintUnformatted(tree);
    const char *copy = arena_strdup(s.arena, text);
    cJSON_free(text);
    return copy;
}

static bool has_header(const HttpCall *call, const char *line) {
    for (int h = 0; h < call->n_headers; h++)
        if (strcmp(call->header[h], line) == 0) return true;
    return false;
}

START_TEST(requests_are_in_the_style_of_the_provider) {
    static const char rendered[] = "[system]\nBe brief. \"Quoted\"\n[user]\ntitle: A \"saw\"\n[user]\nagain \xc3\xa9";
    static const char user[] = "title: A \"saw\"\n[user]\nagain \xc3\xa9"; /* what an item's text looks like cannot move the border */
    Model m = {.name = "n", .id = "model-1", .takes_schema = true, .max_tokens_field = "max_completion_tokens", .extra = "{\"temperature\":0,\"model\":\"model-2\"}"};
    ChatRequest r = {.prompt = mine, .rendered = rendered, .with_schema = true, .max_output_tokens = 77};
    HttpCall call;
    cJSON *o = body_of(API_OPENAI, &m, &r, &call);
    ck_assert_str_eq(call.url, "https://x/v1/chat/completions");
    ck_assert_str_eq(call.key_header, "Authorization: Bearer ");
    ck_assert(has_header(&call, "Content-Type: application/json") && has_header(&call, "x-team: blue"));
    ck_assert_str_eq(at(o, "messages.0.content"), "Be brief. \"Quoted\"");
    ck_assert_str_eq(at(o, "messages.1.content"), user);
    ck_assert_str_eq(at(o, "max_completion_tokens"), "77");
    ck_assert_str_eq(at(o, "temperature"), "0");
    ck_assert_str_eq(at(o, "model"), "model-2"); /* extra wins */
    ck_assert_str_eq(at(o, "response_format.json_schema.strict"), "true");
    ck_assert_str_eq(at(o, "response_format.json_schema.schema.required"), "[\"reasoning\",\"interests\"]");
    ck_assert_str_eq(at(o, "response_format.json_schema.schema.properties.interests.items.properties.facet.enum"), "[\"project\",\"practice\",\"situation\",\"constraint\",\"goal\"]");
    ck_assert_str_eq(at(o, "response_format.json_schema.schema.properties.interests.items.additionalProperties"), "false");
    ck_assert_uint_eq(call.n_text, call.n_body);
    cJSON_Delete(o);
    m.extra = NULL;
    o = body_of(API_ANTHROPIC, &m, &r, &call);
    ck_assert_str_eq(call.url, "https://x/v1/messages");
    ck_assert_str_eq(call.key_header, "x-api-key: ");
    ck_assert(has_header(&call, "anthropic-version: 2023-06-01"));
    ck_assert_str_eq(at(o, "system"), "Be brief. \"Quoted\"");
    ck_assert_str_eq(at(o, "messages.0.content.0.text"), user);
    ck_assert_str_eq(at(o, "max_tokens"), "77");
    ck_assert_str_eq(at(o, "tool_choice.name"), at(o, "tools.0.name"));
    ck_assert_str_eq(at(o, "tools.0.input_schema.type"), "object");
    cJSON_Delete(o);
    m.extra = "{\"generationConfig\":{\"temperature\":0.5}}";
    o = body_of(API_GEMINI, &m, &r, &call);
    ck_assert_str_eq(call.url, "https://x/v1/models/model-1:generateContent");
    ck_assert_str_eq(call.key_header, "x-goog-api-key: ");
    ck_assert_str_eq(at(o, "systemInstruction.parts.0.text"), "Be brief. \"Quoted\"");
    ck_assert_str_eq(at(o, "contents.0.parts.0.text"), user);
    ck_assert_str_eq(at(o, "generationConfig.maxOutputTokens"), "77");
    ck_assert_str_eq(at(o, "generationConfig.temperature"), "0.5"); /* merged, not replaced */
    ck_assert_str_eq(at(o, "generationConfig.responseMimeType"), "application/json");
    ck_assert_str_eq(at(o, "generationConfig.responseSchema.type"), "object");
    ck_assert_ptr_null(strstr(call.body, "additionalProperties"));
    cJSON_Delete(o);
    m.extra = NULL;
    r.prompt = judge; /* a label has no schema */
    o = body_of(API_OPENAI, &m, &r, &call);
    ck_assert_ptr_null(cJSON_GetObjectItemCaseSensitive(o, "response_format"));
    cJSON_Delete(o);
    r.prompt = mine;
    m.takes_schema = false;
    o = body_of(API_ANTHROPIC, &m, &r, &call);
    ck_assert_ptr_null(cJSON_GetObjectItemCaseSensitive(o, "tools"));
    cJSON_Delete(o);
}
END_TEST

static const unsigned char png[] = "\x89PNG\r\n\x1a\n and so on";

START_TEST(photos_travel_as_bytes_or_as_urls) {
    const char *file = support_path(&s, "A1.png");
    support_write(file, (const char *)png, sizeof png - 1);
    Photo bytes, url;
    ck_assert_int_eq(photo_load(file, s.arena, &bytes), OK);
    ck_assert_str_eq(bytes.mime, "image/png");
    ck_assert_int_eq(strncmp(bytes.reference, "sha256:", 7), 0);
    ck_assert_int_eq(photo_load("https://example.org/a.jpg", s.arena, &url), OK);
    ck_assert_str_eq(url.reference, "https://example.org/a.jpg");
    const char *sixty_four = base64_encode(png, sizeof png - 1, s.arena);
    Model m = {.name = "n", .id = "model-1", .max_tokens_field = "max_tokens"};
    ChatRequest r = {.prompt = photo_prompt, .rendered = "[system]\nS\n[user]\nU", .max_output_tokens = 9, .photo = &bytes};
    HttpCall call;
    cJSON *o = body_of(API_OPENAI, &m, &r, &call);
    ck_assert_str_eq(at(o, "messages.1.content.0.text"), "U");
    ck_assert_str_eq(at(o, "messages.1.content.1.image_url.url"), arena_printf(s.arena, "data:image/png;base64,%s", sixty_four));
    ck_assert_uint_eq(call.n_text, call.n_body - strlen(sixty_four));
    cJSON_Delete(o);
    o = body_of(API_ANTHROPIC, &m, &r, &call);
    ck_assert_str_eq(at(o, "messages.0.content.0.source.media_type"), "image/png");
    ck_assert_str_eq(at(o, "messages.0.content.0.source.data"), sixty_four);
    ck_assert_str_eq(at(o, "messages.0.content.1.text"), "U");
    cJSON_Delete(o);
    o = body_of(API_GEMINI, &m, &r, &call);
    ck_assert_str_eq(at(o, "contents.0.parts.0.inlineData.data"), sixty_four);
    cJSON_Delete(o);
    r.photo = &url;
    o = body_of(API_OPENAI, &m, &r, &call);
    ck_assert_str_eq(at(o, "messages.1.content.1.image_url.url"), "https://example.org/a.jpg");
    cJSON_Delete(o);
    o = body_of(API_ANTHROPIC, &m, &r, &call);
    ck_assert_str_eq(at(o, "messages.0.content.0.source.url"), "https://example.org/a.jpg");
    cJSON_Delete(o);
    o = body_of(API_GEMINI, &m, &r, &call);
    ck_assert_str_eq(at(o, "contents.0.parts.0.fileData.fileUri"), "https://example.org/a.jpg");
    cJSON_Delete(o);
    support_write(file, "text", 4);
    ck_assert_int_eq(photo_load(file, s.arena, &bytes), E_INPUT);
    support_write(file, "", 0);
    ck_assert_int_eq(photo_load(file, s.arena, &bytes), E_INPUT);
    ck_assert_int_eq(photo_load(support_path(&s, "none.png"), s.arena, &bytes), E_INPUT);
}
END_TEST

START_TEST(photos_are_found_by_item) {
    Photos *p;
    support_write(support_path(&s, "A1.png"), (const char *)png, sizeof png - 1);
    ck_assert_int_eq(photos_open(s.dir, s.arena, &p), OK);
    ck_assert_str_eq(photos_find(p, "A1", s.arena), support_path(&s, "A1.png"));
    ck_assert_ptr_null(photos_find(p, "A2", s.arena));
    ck_assert_ptr_null(photos_find(p, "../A1", s.arena));
    const char *list = support_path(&s, "photos.tsv");
    static const char lines[] = "A1\tA1.png\nA2\thttps://example.org/2.jpg\nA3\t/somewhere/3.jpg\n";
    support_write(list, lines, sizeof lines - 1);
    ck_assert_int_eq(photos_open(list, s.arena, &p), OK);
    ck_assert_str_eq(photos_find(p, "A1", s.arena), support_path(&s, "A1.png"));
    ck_assert_str_eq(photos_find(p, "A2", s.arena), "https://example.org/2.jpg");
    ck_assert_str_eq(photos_find(p, "A3", s.arena), "/somewhere/3.jpg");
    static const char *const faulty[] = {"A1 A1.png\n", "A1\t\n", "\tx\n", "A1\tx\nA1\ty\n", "A1\tx\ty\n"};
    for (int k = 0; k < 5; k++) {
        support_write(list, faulty[k], strlen(faulty[k]));
        ck_assert_int_eq(photos_open(list, s.arena, &p), E_INPUT);
    }
}
END_TEST

/* ---- replies */

static Reply reply_of(ApiStyle style, const char *body) { return chat_reply(style, body, strlen(body), s.arena); }

START_TEST(replies_are_read_in_every_style) {
    Reply r = reply_of(API_OPENAI, "{\"model\":\"m-2026\",\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"content\":\"an answer\",\"reasoning_content\":\"thoughts\"}}],"
                                   "\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":34}}\n");
    ck_assert_int_eq(r.kind, REPLY_ANSWER);
    ck_assert_str_eq(r.text, "an answer");
    ck_assert_str_eq(r.thinking, "thoughts");
    ck_assert_str_eq(r.model_version, "m-2026");
    ck_assert(r.has_usage && r.tokens_in == 12 && r.tokens_out == 34);
    r = reply_of(API_OPENAI, "{\"choices\":[{\"message\":{\"content\":\"<think>hm,\\n well</think>\\n\\n1\"}}]}");
    ck_assert_str_eq(r.text, "1");
    ck_assert_str_eq(r.thinking, "hm,\n well");
    ck_assert(!r.has_usage);
    r = reply_of(API_OPENAI, "{\"choices\":[{\"finish_reason\":\"length\",\"message\":{\"content\":\"<think>on and on\"}}]}");
    ck_assert_int_eq(r.kind, REPLY_TRUNCATED);
    ck_assert_str_eq(r.text, "");
    r = reply_of(API_OPENAI, "{\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"content\":null,\"refusal\":\"No.\"}}]}");
    ck_assert_int_eq(r.kind, REPLY_REFUSED);
    ck_assert_str_eq(r.detail, "No.");
    r = reply_of(API_OPENAI, "{\"choices\":[{\"finish_reason\":\"content_filter\",\"message\":{\"content\":\"\"}}]}");
    ck_assert_int_eq(r.kind, REPLY_REFUSED);
    r = reply_of(API_ANTHROPIC, "{\"content\":[{\"type\":\"thinking\",\"thinking\":\"t1\"},{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}],\"stop_reason\":\"end_turn\","
                                "\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}");
    ck_assert_str_eq(r.text, "ab");
    ck_assert_str_eq(r.thinking, "t1");
    ck_assert(r.tokens_in == 1 && r.tokens_out == 2);
    r = reply_of(API_ANTHROPIC, "{\"content\":[{\"type\":\"text\",\"text\":\"Here:\"},{\"type\":\"tool_use\",\"name\":\"x\",\"input\":{\"interests\":[1]}}],\"stop_reason\":\"tool_use\"}");
    ck_assert_str_eq(r.text, "{\"interests\":[1]}");
    r = reply_of(API_ANTHROPIC, "{\"content\":[{\"type\":\"text\",\"text\":\"Her\"}],\"stop_reason\":\"max_tokens\"}");
    ck_assert_int_eq(r.kind, REPLY_TRUNCATED);
    r = reply_of(API_ANTHROPIC, "{\"content\":[],\"stop_reason\":\"refusal\"}");
    ck_assert_int_eq(r.kind, REPLY_REFUSED);
    r = reply_of(API_GEMINI, "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"t\",\"thought\":true},{\"text\":\"an\"},{\"text\":\"swer\"}]},\"finishReason\":\"STOP\"}],"
                             "\"usageMetadata\":{\"promptTokenCount\":5,\"candidatesTokenCount\":6,\"thoughtsTokenCount\":70},\"modelVersion\":\"g\"}");
    ck_assert_str_eq(r.text, "answer");
    ck_assert_str_eq(r.thinking, "t");
    ck_assert(r.tokens_in == 5 && r.tokens_out == 76); /* thoughts are billed */
    r = reply_of(API_GEMINI, "{\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}");
    ck_assert_int_eq(r.kind, REPLY_REFUSED);
    ck_assert_str_eq(r.detail, "SAFETY");
    r = reply_of(API_GEMINI, "{\"candidates\":[{\"finishReason\":\"RECITATION\"}]}");
    ck_assert_int_eq(r.kind, REPLY_REFUSED);
    r = reply_of(API_GEMINI, "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"an\"}]},\"finishReason\":\"MAX_TOKENS\"}]}");
    ck_assert_int_eq(r.kind, REPLY_TRUNCATED);
}
END_TEST

START_TEST(what_is_no_reply_is_unreadable) {
    static const char *const bodies[] = {"", "<html>busy</html>", "{}", "[]", "null", "{\"choices\":[]}", "{\"choices\":[{}]}", "{\"choices\":[{\"message\":{}}]}",
                                         "{\"choices\":[{\"message\":{\"content\":\"\"}}]}", "{\"choices\":[{\"message\":{\"content\":7}}]}", "{\"choices\":{\"message\":1}}",
                                         "{\"choices\":[{\"message\":{\"content\":\"x\"}}]} and more", "{\"content\":\"x\"}", "{\"content\":[{\"type\":7}]}", "{\"candidates\":[{\"content\":{\"parts\":7}}]}",
                                         "{\"candidates\":[{\"content\":{}}]}", "{\"choices\":[{\"message\":{\"content\":\"x\"}"};
    for (size_t k = 0; k < sizeof bodies / sizeof *bodies; k++)
        for (int style = API_OPENAI; style <= API_GEMINI; style++) {
            Reply r = reply_of((ApiStyle)style, bodies[k]);
            ck_assert_msg(r.kind == REPLY_UNREADABLE && *r.detail, "case %zu, style %d: kind %d", k, style, (int)r.kind);
        }
    char whole[] = "{\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"content\":\"an answer\"}}],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":34}}";
    for (size_t n = 0; n < sizeof whole - 1; n++) ck_assert_int_eq(chat_reply(API_OPENAI, whole, n, s.arena).kind, REPLY_UNREADABLE);
    ck_assert_int_eq(chat_reply(API_OPENAI, whole, sizeof whole - 1, s.arena).kind, REPLY_ANSWER);
    ck_assert_int_eq(chat_reply(API_OPENAI, whole, sizeof whole, s.arena).kind, REPLY_UNREADABLE); /* a NUL in it */
    static const char usage[] = "{\"choices\":[{\"message\":{\"content\":\"x\"}}],\"usage\":{\"prompt_tokens\":%s,\"completion_tokens\":1}}";
    static const char *const amounts[] = {"-1", "\"7\"", "null", "1e300"};
    for (int k = 0; k < 4; k++) ck_assert(!reply_of(API_OPENAI, arena_printf(s.arena, usage, amounts[k])).has_usage);
}
END_TEST

/* Damaged bodies: any verdict, but always one, and never a crash (the sanitizers look on). */
START_TEST(random_damage_is_survived) {
    static const char *const whole[] = {
        "{\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"content\":\"<think>a</think>b\"}}],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":34}}",
        "{\"content\":[{\"type\":\"thinking\",\"thinking\":\"t\"},{\"type\":\"tool_use\",\"input\":{\"interests\":[1]}}],\"stop_reason\":\"tool_use\",\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}",
        "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"t\",\"thought\":true},{\"text\":\"an\"}]},\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":5,\"candidatesTokenCount\":6}}",
        "{\"data\":[{\"index\":1,\"embedding\":\"AACAPwAAAEA=\"},{\"index\":0,\"embedding\":[1.5,-2]}],\"usage\":{\"prompt_tokens\":9}}"};
    static const char letters[] = "{}[]\",:0129-eE.\\utfn<> \xff";
    int64_t verdicts[4] = {0};
    for (int i = 0; i < 20000; i++) {
        Rng r = rng_make(1, RNG_STAGE_TEST, RNG_NOISE, 0, (uint64_t)i);
        Arena *arena = arena_create("damage");
        char *body = arena_strdup(arena, whole[i % 4]);
        size_t n = strlen(body);
        for (uint64_t k = 1 + rng_below(&r, 3); k > 0; k--) {
            size_t place = (size_t)rng_below(&r, n);
            if (rng_below(&r, 2)) body[place] = letters[rng_below(&r, sizeof letters - 1)];
            else memmove(body + place, body + place + 1, n-- - place);
        }
        if (i % 4 == 3) (void)vectors_reply(body, n, 2, arena);
        else verdicts[chat_reply((ApiStyle)(i % 4), body, n, arena).kind]++;
        (void)chat_error_message(body, n, arena);
        arena_destroy(arena);
    }
    ck_assert(verdicts[REPLY_ANSWER] > 1000 && verdicts[REPLY_UNREADABLE] > 1000);
}
END_TEST

START_TEST(error_bodies_give_one_short_line) {
    static const char *const bodies[] = {"{\"error\":{\"message\":\"too\\nlong\"}}", "{\"error\":\"too long\"}", "{\"message\":\"too long\"}", "[{\"error\":{\"message\":\"too long\"}}]"};
    for (int k = 0; k < 4; k++) ck_assert_str_eq(chat_error_message(bodies[k], strlen(bodies[k]), s.arena), "too long");
    ck_assert_str_eq(chat_error_message("<html>", 6, s.arena), "");
    ck_assert_str_eq(chat_error_message("", 0, s.arena), "");
    const char *wide = arena_printf(s.arena, "{\"message\":\"%0298d\xc3\xa9\xc3\xa9\"}", 0);
    ck_assert_uint_eq(strlen(chat_error_message(wide, strlen(wide), s.arena)), 300);
    wide = arena_printf(s.arena, "{\"message\":\"%0299d\xc3\xa9\"}", 0);
    ck_assert_uint_eq(strlen(chat_error_message(wide, strlen(wide), s.arena)), 299);
}
END_TEST

/* ---- vectors and base64 */

START_TEST(base64_is_strict) {
    static const char *const pairs[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}}; /* RFC 4648 */
    unsigned char *bytes;
    size_t n;
    for (int k = 0; k < 7; k++) {
        ck_assert_str_eq(base64_encode(pairs[k][0], strlen(pairs[k][0]), s.arena), pairs[k][1]);
        ck_assert(base64_decode(pairs[k][1], s.arena, &bytes, &n));
        ck_assert(n == strlen(pairs[k][0]) && memcmp(bytes, pairs[k][0], n) == 0);
    }
    static const char *const faulty[] = {"Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Z===", "====", "Zm 9v", "Zm9v\n", "Zm9-", "=m9v", "Zg==Zg=="};
    for (size_t k = 0; k < sizeof faulty / sizeof *faulty; k++) ck_assert_msg(!base64_decode(faulty[k], s.arena, &bytes, &n), "%s", faulty[k]);
}
END_TEST

START_TEST(vectors_come_in_the_order_of_the_texts) {
    Provider p = {.name = "x", .base_url = "https://x/v1", .style = API_OPENAI};
    Model m = {.name = "n", .id = "e-1", .is_embedding = true, .extra = "{\"dimensions\":2}"};
    static const char *const texts[] = {"one", "two \"quoted\""};
    HttpCall call;
    vectors_call(&p, &m, texts, 2, s.arena, &call);
    ck_assert_str_eq(call.url, "https://x/v1/embeddings");
    ck_assert_str_eq(call.body, "{\"model\":\"e-1\",\"input\":[\"one\",\"two \\\"quoted\\\"\"],\"encoding_format\":\"base64\",\"dimensions\":2}");
    const float second[] = {0.1F, -3};
    const char *body = arena_printf(s.arena, "{\"data\":[{\"index\":1,\"embedding\":\"%s\"},{\"index\":0,\"embedding\":[1.5,-2]}],\"usage\":{\"prompt_tokens\":9}}",
                                    base64_encode(second, sizeof second, s.arena));
    VectorsReply r = vectors_reply(body, strlen(body), 2, s.arena);
    ck_assert_ptr_null(r.fault);
    ck_assert_int_eq(r.dim, 2);
    ck_assert(r.at[0] == 1.5F && r.at[1] == -2 && r.at[2] == 0.1F && r.at[3] == -3);
    ck_assert(r.has_usage && r.tokens_in == 9);
    static const char *const faulty[] = {"", "{}", "{\"data\":[{\"index\":0,\"embedding\":[1]}]}", "{\"data\":[{\"index\":0,\"embedding\":[1]},{\"index\":0,\"embedding\":[1]}]}",
                                         "{\"data\":[{\"index\":0,\"embedding\":[1]},{\"index\":2,\"embedding\":[1]}]}", "{\"data\":[{\"index\":0,\"embedding\":[1]},{\"index\":1,\"embedding\":[1,2]}]}",
                                         "{\"data\":[{\"index\":0,\"embedding\":[0]},{\"index\":1,\"embedding\":[1]}]}", "{\"data\":[{\"index\":0,\"embedding\":[1e99]},{\"index\":1,\"embedding\":[1]}]}",
                                         "{\"data\":[{\"index\":0,\"embedding\":\"AAA\"},{\"index\":1,\"embedding\":[1]}]}", "{\"data\":[{\"index\":0,\"embedding\":[]},{\"index\":1,\"embedding\":[1]}]}",
                                         "{\"data\":[{\"index\":0,\"embedding\":[\"1\"]},{\"index\":1,\"embedding\":[1]}]}", "{\"data\":[{\"index\":\"0\",\"embedding\":[1]},{\"index\":1,\"embedding\":[1]}]}"};
    for (size_t k = 0; k < sizeof faulty / sizeof *faulty; k++) ck_assert_msg(vectors_reply(faulty[k], strlen(faulty[k]), 2, s.arena).fault != NULL, "case %zu", k);
}
END_TEST

/* ---- questions */

START_TEST(a_judge_is_asked_about_mined_and_foreign_interests) {
    Interest z[3] = {{.text = "cutting firewood", .facet = FACET_PRACTICE}, {.text = "saving money", .facet = FACET_GOAL}, {.text = "pruning fruit trees", .facet = FACET_PROJECT}};
    ItemInterests items[6] = {{.n = 2, .at = z}, {.n = 1, .at = z + 2}, {.n = 0}, {.n = 1, .at = z}, {.n = 1, .at = z + 2}, {.n = 0}};
    QuestionSource source = {.d = s.d, .ensemble = s.e, .prompt = judge, .set = "mini", .interests = items, .seed = 5};
    Question *q, *again;
    int64_t n, m;
    QuestionCount c;
    ck_assert_int_eq(questions_make(&source, s.arena, &q, &n, &c), OK);
    ck_assert_int_eq(c.items, 4);
    ck_assert_int_eq(c.mined, 5);
    ck_assert_int_eq(c.swapped, 4);
    ck_assert_int_eq(n, c.mined + c.swapped + c.generic);
    for (int64_t i = 0; i < n; i++) {
        ck_assert_ptr_nonnull(strstr(q[i].text, arena_printf(s.arena, "interest: %s", q[i].interest)));
        ck_assert_ptr_null(strstr(strstr(q[i].text, "\n[user]\n"), q[i].origin)); /* the judge is not told */
        for (int64_t k = 0; k < i; k++) ck_assert(strcmp(q[i].item, q[k].item) != 0 || strcmp(q[i].interest, q[k].interest) != 0);
    }
    ck_assert_int_eq(questions_make(&source, s.arena, &again, &m, &c), OK);
    ck_assert_int_eq(n, m);
    for (int64_t i = 0; i < n; i++) ck_assert(strcmp(q[i].text, again[i].text) == 0);
    source.max_items = 2;
    ck_assert_int_eq(questions_make(&source, s.arena, &again, &m, &c), OK);
    ck_assert_int_eq(c.items, 2);
    source.interests = NULL;
    ck_assert_int_eq(questions_make(&source, s.arena, &again, &m, &c), E_USAGE);
}
END_TEST

/* A photo is part of the key; replay takes it as it was recorded and knows an unchanged text from a changed one. */
START_TEST(a_photo_is_part_of_the_key) {
    Member member = {.name = "m:mine/v1-photo", .model = "m", .provider = "p", .prompt = photo_prompt};
    const char *rendered = prompt_render(s.e, photo_prompt, "mini", &s.d->text[0], NULL, s.arena), *path = support_path(&s, "one.jsonl.zst");
    char key[SHA256_HEX], bare[SHA256_HEX];
    prompt_key("p", "m", "mine/v1-photo", prompt_show(rendered, "sha256:00", s.arena), key);
    prompt_key("p", "m", "mine/v1-photo", rendered, bare);
    ck_assert_str_ne(key, bare);
    Response r = {.key = key, .provider = "p", .model = "m", .template_id = "mine/v1-photo", .set = "mini", .item = s.d->text[0].id, .response = "{}", .date = "2026", .image = "sha256:00",
                  .thinking = "so \"so\"", .fault = "no list", .has_usage = true, .tokens_in = 5, .tokens_out = 1234567};
    MUST(responses_append(path, &r, 1));
    Responses *c;
    MUST(responses_open(path, s.arena, &c));
    const Response *back = responses_at(c, 0);
    ck_assert_str_eq(back->image, "sha256:00");
    ck_assert_str_eq(back->thinking, "so \"so\"");
    ck_assert_str_eq(back->fault, "no list");
    ck_assert(back->has_usage && back->tokens_in == 5 && back->tokens_out == 1234567);
    bool drifted;
    ck_assert_ptr_eq(mine_find(c, s.e, &member, "mini", &s.d->text[0], NULL, &drifted), back);
    ck_assert(!drifted);
    ItemText changed = s.d->text[0];
    changed.title = "Something else";
    ck_assert_ptr_eq(mine_find(c, s.e, &member, "mini", &changed, NULL, &drifted), back);
    ck_assert(drifted);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("provider");
    TCase *t = tcase_create("provider");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_shipped_file_is_sound);
    tcase_add_test(t, a_faulty_file_is_refused);
    tcase_add_test(t, a_key_never_travels_unencrypted);
    tcase_add_test(t, requests_are_in_the_style_of_the_provider);
    tcase_add_test(t, photos_travel_as_bytes_or_as_urls);
    tcase_add_test(t, photos_are_found_by_item);
    tcase_add_test(t, replies_are_read_in_every_style);
    tcase_add_test(t, what_is_no_reply_is_unreadable);
    tcase_add_test(t, random_damage_is_survived);
    tcase_add_test(t, error_bodies_give_one_short_line);
    tcase_add_test(t, base64_is_strict);
    tcase_add_test(t, vectors_come_in_the_order_of_the_texts);
    tcase_add_test(t, a_judge_is_asked_about_mined_and_foreign_interests);
    tcase_add_test(t, a_photo_is_part_of_the_key);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
