"""What the codes of providers' errors mean: one table for online requests, streams and batches.

Only codes, types and statuses of the provider's own error object count. Words of its message do not, for many errors
repeat the prompt, and a prompt may talk of an insufficient balance; the exceptions are whole sentences, compared from
the first letter to the last, of providers that have no code for them.

Sources: the SDKs' types (anthropic `types/shared`, `_error_classes.py`; openai `types/shared`), and the pages on errors
of OpenAI, Anthropic, Google (google.rpc.Code, ErrorInfo), Azure OpenAI, Amazon Bedrock (Converse), OpenRouter,
DeepSeek, Mistral, Groq, xAI, Together, Fireworks, Moonshot, DashScope, Zhipu, Volcengine Ark, MiniMax, SiliconFlow,
Cohere, LiteLLM, vLLM, SGLang, Ollama.
"""

import re
from typing import Literal

Meaning = Literal["spent", "key", "model", "proxy", "policy", "prompt", "quota", "capacity", "retry"]
"""spent, key, model, proxy: the account's; no prompt can be answered. policy, prompt: this prompt's alone. quota,
capacity, retry: it passes."""

_CODES: dict[Meaning, str] = {
    "spent": """
        insufficient_quota billing_hard_limit_reached billing_not_active billing_error billing_limit_user_error
        insufficient_balance insufficient_credits insufficient_user_quota exceeded_current_quota_error
        payment_required enforced_spend_limit_reached contract_spend_limit_reached spend_limit_reached
        linked_organization_spend_limit_reached linked_organization_billing_unavailable user_profile_not_billable
        credit_balance_too_low budget_exceeded arrearage allocationquota.freetieronly billing_disabled
        servicequotaexceededexception personal-team-blocked:spending-limit openrouter_credits openrouter_key_limit
        blocked_api_access accountoverdueerror setlimitexceeded limitexceededexception 1113 1304 1308 1309 1310
        minimax-1008 minimax-2056
    """,
    "key": """
        invalid_api_key incorrect_api_key authentication_error invalid_authentication invalid_authentication_error
        invalidapikey unauthenticated unauthorized access_denied accessdenied accessdeniedexception permission_error
        permission_denied permissiondenied api_key_invalid api_key_expired api_key_scope_missing
        api_key_service_blocked api_key_http_referrer_blocked api_key_ip_address_blocked service_disabled
        consumer_invalid organization_on_hold organization_type_not_supported account_deactivated
        account_deactivated_error organization_deactivated organization_restricted invalid_organization
        unsupported_country_region_territory unrecognizedclientexception invalidsignatureexception
        expiredtokenexception missingauthenticationtokenexception incompletesignature notauthorized
        expired_key 1112 1121 minimax-1004 minimax-2049
    """,
    "model": """
        model_not_found not_found_error not_found notfounderror model_not_available model_not_exist invalid_model
        model_decommissioned model_not_active dedicated_endpoint_not_running deploymentnotfound
        resourcenotfoundexception unknown_model modelnotfound model_terms_required unsupported_model
        model_not_supported 1211
    """,
    "policy": """
        content_filter content_policy_violation content_policy_violation_error responsibleaipolicyviolation
        invalid_prompt moderation moderation_blocked safety prohibited_content data_inspection_failed
        datainspectionfailed sensitive_words_detected content_moderation_error blocklist recitation 1301
        inputtextsensitivecontentdetected outputtextsensitivecontentdetected sensitivecontentdetected censorship_blocked
        minimax-1026 minimax-1027
    """,
    "prompt": """
        context_length_exceeded context_window_exceeded string_above_max_length request_too_large
        max_tokens_exceeded token_limit_exceeded_error tokens_limit_reached minimax-1039 minimax-2013
    """,
    "quota": """
        rate_limit_error rate_limit_exceeded rate_limit_reached_error ratelimitreached ratelimiterror rate_limited
        ratelimitexceeded resource_exhausted throttlingexception throttling throttling.ratequota
        throttling.allocationquota throttling.burstrate toomanyrequestsexception toomanyrequests too_many_requests
        requests_limit_exceeded ramp_limit_exceeded 1300 1302 minimax-1002 minimax-1041
    """,
    "capacity": """
        overloaded_error overloaded server_overloaded model_overloaded engine_overloaded engine_overloaded_error
        resource_unavailable capacity_exceeded capacity_exceeded_error model_capacity_exhausted
        service_tier_capacity_exceeded nocapacity unavailable serviceunavailableexception service_unavailable
        service_unavailable_error modelnotreadyexception slow_down flex_capacity_exceeded 3505 1305
    """,
}

_VAGUE: dict[Meaning, str] = {
    "prompt": """
        invalid_request_error invalid_request invalid_argument bad_request badrequesterror validationexception
        validation_error unprocessable_entity failed_precondition out_of_range
    """,
    "retry": """
        timeout_error timeout server_error api_error internal_error internal_server_error internalservererror internal
        internalserverexception deadline_exceeded cancelled aborted unknown_error
        modelerrorexception modeltimeoutexception modelstreamerrorexception request_body_timeout gateway_timeout_error
        batch_expired batch_error
    """,
}
"""Types that come with errors of any kind. They count only without a status, as in a stream or a batch."""


def _by_code(table: dict[Meaning, str]) -> dict[str, Meaning]:
    return {code: meaning for meaning, codes in table.items() for code in codes.split()}


BY_CODE = _by_code(_CODES)
BY_VAGUE_CODE = _by_code(_VAGUE)

BY_STATUS: dict[int, Meaning] = {
    401: "key",
    402: "spent",
    403: "key",
    404: "model",
    405: "model",  # the path is another one's
    407: "proxy",
    408: "retry",
    409: "retry",
    424: "retry",  # Bedrock: the model behind it failed
    425: "retry",
    429: "quota",
    444: "retry",  # nginx, and 460 AWS's load balancer: the connection went away
    460: "retry",
    498: "capacity",  # Groq: no room in the flex tier
    499: "retry",  # Google, nginx: a client on the way hung up
    501: "prompt",  # what was asked is not implemented there, nor will it be in a minute
    503: "capacity",
    505: "prompt",
    529: "capacity",
}
"""Any other status from 500 on passes; any other below 500 is the prompt's."""


_SENTENCES: dict[Meaning, tuple[str, ...]] = {
    "key": (
        r"API key not valid\. Please pass a valid API key\.",  # Google
        r"API key expired\. Please renew the API key\.",
        r"Incorrect API key provided: \S{1,60} You can obtain an API key from \S+",  # xAI
        r"User location is not supported for the API use\.( .{0,200})?",  # Google
        r"This organization has been disabled\.",  # Anthropic
    ),
    "spent": (  # Anthropic twice, xAI, DeepSeek, Google twice, Fireworks, Cohere, Ollama
        r"Your credit balance is too low to access the Anthropic API\. Please go to Plans & Billing to .{0,80}",
        r"You have reached your specified (workspace )?API usage limits\. You will regain access on .{0,40}",
        r"Your team \S{1,60} has either used all available credits or reached its monthly spending limit\.( .{0,160})?",
        r"Insufficient Balance",
        r"Your prepayment credits are depleted\.( .{0,200})?",
        r"Your (project|billing account) has exceeded its monthly spending cap\.( .{0,200})?",
        r"Account \S{1,120} is suspended, possibly due to reaching the monthly spending limit .{0,160}",
        r"You are using a Trial key, which is limited to \d{1,9} API calls / month\.( .{0,300})?",
        r"you(.ve| have| \(\S{1,60}\) have) reached your (hourly|session|daily|weekly|monthly) usage limit, .{0,160}",
    ),
    "model": (
        r"Model Not Exist",  # DeepSeek
        r"\S{1,120} is not a valid model ID",  # OpenRouter
        r"The provided model identifier is invalid\.?",  # Bedrock
        r"Invocation of model ID \S{1,120} with on-demand throughput isn.t supported\. .{0,200}",
        r"Unexpected endpoint or method\. \([A-Z]{1,10} \S{1,200}\)(\. .{0,100})?",  # LM Studio
        r"Failed to load model .{1,160}\. Error: .{1,200}",
        r"(\S{1,60}: )?Invalid model name passed in model=\S{1,120}\. Call `/v1/models` .{0,120}",  # LiteLLM
        r"Model does not exist\. Please check it carefully\.",  # SiliconFlow
    ),
    "policy": (r"Content violates usage guidelines\.( .{0,160})?",),  # xAI
    "capacity": (r"Service tier capacity exceeded for this model\.?",),  # Mistral
}
_WHOLE = {meaning: re.compile("|".join(each), re.IGNORECASE) for meaning, each in _SENTENCES.items()}


VAGUE_STATUSES = (402, 403, 404, 405)
"""Statuses that gateways and firewalls also give for a single request."""


def meaning_of(status: int | None, codes: tuple[str, ...], message: str) -> Meaning | None:
    """The error's meaning; None where neither its codes nor its sentence nor the status say anything in particular.

    A 413 stays the prompt's whatever its code: Groq says rate_limit_exceeded of a prompt that exceeds a whole minute's
    limit.
    """
    if status == 413:
        return "prompt"
    for meaning, sentence in _WHOLE.items():  # first, for Google has one code for a spent account and a busy minute
        if sentence.fullmatch(message.strip()):
            return meaning
    for code in codes:
        if code in BY_CODE:
            return BY_CODE[code]
    if status is not None:
        return BY_STATUS.get(status)
    return next((BY_VAGUE_CODE[code] for code in codes if code in BY_VAGUE_CODE), None)
