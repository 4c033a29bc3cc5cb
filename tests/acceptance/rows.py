"""Every requirement, and the tests that show it. A node is `file::test`, from this repository's root.

`requirements.py` says what each number means; `test_rows.py` checks that none is left out and that every test exists.
"""

from __future__ import annotations

IMAGES = "tests/acceptance/test_000_images.py::test_"
TALK = "tests/acceptance/test_000_talk.py::test_"
REST = "tests/acceptance/test_000_rest.py::test_"
ADAPTER = "tests/acceptance/test_001_adapter.py::test_"
RUNS = "tests/acceptance/test_001_runs.py::test_"
RACES = "tests/acceptance/test_001_races.py::test_"
AT_ONCE = "tests/acceptance/test_at_once.py::test_"
WALK = "tests/acceptance/test_walk_agentx.py::test_"
TURNS = "tests/acceptance/test_walk_runs.py::test_"
AGENTX = "tests/doors/test_agentx.py::test_"
CONTROLS = "tests/doors/test_controls.py::test_"
DOORS = "tests/doors/test_rest_images.py::test_"
STREAM = "tests/doors/test_stream_path.py::test_"
DOMAINS = "tests/functions/test_domains.py::test_"
AGENT_RUNS = "tests/functions/test_agent_runs.py::test_"
OPTIONS = "tests/functions/test_options.py::test_"
SCHEDULES = "tests/functions/test_schedules.py::test_"
NEWS = "tests/functions/test_notifications.py::test_"
PUSH = "tests/functions/test_push.py::test_"
MIGRATE = "tests/admin/test_migrate.py::test_"
SDK = "tests/sdk/test_"
STORES = "tests/functions/test_"
PAGE = "tests/web/test_chat_page.py::test_"

MEMORIES = "tests/acceptance/test_003_memories.py::test_"
MEMORY_RULES = "tests/functions/test_memories.py::test_"
MEMORY_OF = "tests/functions/test_memory.py::test_"
MEMORY_ERASED = "tests/functions/test_memory_erasure.py::test_"
MEMORY_SDK = "tests/sdk/test_memories.py::test_"

PAIRED = f"{IMAGES}a_conversation_its_image_and_its_session_are_one_commit"
IDS = f"{IMAGES}ids_have_their_formats_and_an_agents_is_stored_nowhere"
COPIED = f"{IMAGES}every_field_of_the_configuration_is_copied_and_then_the_images_own"
MIGRATED = f"{MIGRATE}old_conversations_are_there_with_their_images_and_messages"
WALKED = f"{WALK}a_conversation_from_its_creation_to_its_interruption"
APART = f"{AT_ONCE}messages_to_several_images_at_once_stay_apart"
FOREIGN = f"{AGENTX}events_of_another_image_reach_nobody_else"
ORDER = f"{TALK}a_message_of_any_door_is_told_in_the_same_order_with_its_whole_context"
CREATED = f"{AGENTX}a_conversation_from_creation_to_the_end_of_a_reply"
CUT = f"{TALK}an_interruption_in_the_middle_keeps_what_was_told"
CONTRACT = f"{REST}every_row_of_the_contract_is_there"
STRANGERS = f"{REST}a_stranger_an_unknown_id_and_nobody_are_told_apart_from_the_owner_alone"
COMPLETED = f"{RUNS}a_run_is_completed_by_its_reply_whoever_asked_for_it"
RESUMED = f"{ADAPTER}a_conversation_of_a_task_is_started_and_resumed"
ONE_PLACE = f"{ADAPTER}there_is_one_place_where_a_reply_begins_and_one_where_it_ends"
STARTED = f"{CONTROLS}a_new_conversations_reply_is_told_from_its_start_to_its_end"
BY_TYPE = f"{ADAPTER}an_agents_type_chooses_its_instruction"
OWN_WORDS = f"{ADAPTER}the_message_is_the_callers_and_the_adapter_adds_nothing"
STORED = f"{MEMORIES}a_memory_is_stored_as_it_is_told_with_its_versions_and_references"
ONE_TURN = f"{MEMORIES}a_turn_with_its_facts_is_one_commit_that_is_made_once"

ROWS: dict[str, list[str]] = {
    "000-01": [PAIRED, f"{IMAGES}a_death_at_any_write_leaves_all_three_or_none"],
    "000-02": [COPIED, "tests/web/test_domains.py::test_a_conversation_of_a_domain_keeps_what_it_began_with"],
    "000-03": [MIGRATED, f"{IMAGES}documents_of_an_image_name_each_other"],
    "000-04": [f"{IMAGES}documents_of_an_image_name_each_other", IDS],
    "000-05": [MIGRATED],
    "000-06": [IDS],
    "000-07": [IDS, f"{DOMAINS}a_domain_is_a_container_and_has_no_image_of_its_own"],
    "000-08": [IDS],
    "000-09": [IDS],
    "000-10": [IDS, f"{AGENTX}an_interrupted_reply_says_so_and_keeps_its_text"],
    "000-11": [CREATED, WALKED],
    "000-12": [CREATED, WALKED],
    "000-13": [COPIED, WALKED],
    "000-14": [COPIED],
    "000-15": [COPIED, f"{DOMAINS}servers_of_tools_are_shown_with_their_source_and_never_with_a_secret"],
    "000-16": [CREATED, WALKED],
    "000-17": [CREATED, APART, WALKED],
    "000-18": [CREATED, APART, WALKED],
    "000-19": [CUT, f"{AGENTX}an_interrupted_reply_says_so_and_keeps_its_text", WALKED],
    "000-20": [FOREIGN, f"{TALK}every_event_that_can_be_told_of_an_image_has_a_context", WALKED],
    "000-21": [f"{PAGE}several_sessions_are_live_at_once", f"{PAGE}two_tabs_and_two_browsers_are_in_step"],
    "000-22": [
        f"{PAGE}a_reply_streams_and_ends_as_it_was_stored",
        "tests/acceptance/test_rows.py::test_the_page_finds_its_server",
    ],
    "000-23": [f"{IMAGES}a_domain_is_a_container_and_makes_no_image_whatever_is_done_to_it"],
    "000-24": [f"{IMAGES}a_domain_is_a_container_and_makes_no_image_whatever_is_done_to_it"],
    "000-25": [PAIRED, f"{AT_ONCE}conversations_that_are_created_at_once_have_images_of_their_own"],
    "000-26": [APART, f"{DOMAINS}messages_of_two_conversations_are_apart"],
    "000-27": [APART, f"{DOMAINS}messages_of_two_conversations_are_apart"],
    "000-28": [APART],
    "000-29": [FOREIGN, WALKED],
    "000-U01": [
        f"{IMAGES}an_image_has_one_conversation_and_one_session_for_ever",
        f"{DOORS}a_conversation_of_an_image_is_told_with_its_names_wherever_it_is_asked_for",
    ],
    "000-U02": [COPIED, f"{DOMAINS}the_configuration_is_copied_and_a_later_change_of_the_domain_reaches_new_conversations_only"],
    "000-U03": [CUT, f"{TALK}an_agent_that_was_destroyed_remembers_when_it_is_spoken_to_again"],
    "000-U04": [ORDER, f"{TALK}every_event_that_can_be_told_of_an_image_has_a_context"],
    "000-U05": [f"{IMAGES}an_image_has_one_conversation_and_one_session_for_ever"],
    "000-U06": [f"{MIGRATE}each_class_of_id_has_its_fate", MIGRATED],
    "000-U07": [f"{IMAGES}a_conversation_is_named_by_chance_and_described_by_its_domain"],
    "000-U08": [
        CONTRACT,
        f"{STREAM}a_conversations_stream_is_heard_by_opening_its_path",
        f"{REST}the_conversation_service_does_what_its_sixteen_tests_asked",
    ],
    "000-U09": [
        f"{REST}the_conversation_service_does_what_its_sixteen_tests_asked",
        f"{DOMAINS}a_domains_conversations_come_in_pages_those_that_moved_last_first",
    ],
    "000-U10": [STRANGERS, f"{TALK}who_is_not_signed_in_gets_no_socket_and_a_stranger_no_stream"],
    "000-U11": [f"{IMAGES}a_conversation_is_deleted_with_its_image_whatever_the_model_does"],
    "000-U12": [
        f"{REST}the_chat_service_does_what_its_eleven_tests_asked",
        f"{DOORS}a_message_to_a_conversation_is_refused_by_the_same_codes",
        f"{DOMAINS}a_message_has_one_to_ten_thousand_characters",
    ],
    "000-U13": [
        f"{REST}the_table_of_errors",
        f"{AGENTX}every_ending_has_its_code",
        f"{DOORS}what_is_not_there_has_its_own_code_by_every_verb",
    ],
    "000-U14": [f"{IMAGES}a_title_is_the_first_message_cut_at_a_word_past_sixty_percent"],
    "000-U15": [ORDER, f"{AGENTX}what_tools_do_is_told_as_it_happens_and_once"],
    "000-U16": [CUT],
    "000-U17": [
        f"{TALK}a_reply_that_takes_too_long_says_so",
        f"{OPTIONS}a_reply_ends_after_the_time_that_the_operator_allows",
    ],
    "000-U18": [
        f"{TALK}who_loses_the_socket_in_the_middle_goes_on_with_the_next",
        f"{AGENTX}who_comes_in_the_middle_of_a_reply_is_told_it_from_its_beginning",
    ],
    "000-U19": [
        f"{TALK}who_is_not_signed_in_gets_no_socket_and_a_stranger_no_stream",
        f"{TALK}an_event_without_a_sign_in_is_answered_by_nothing",
        STRANGERS,
        f"{STREAM}a_stream_needs_a_token",
    ],
    "000-U20": [
        f"{OPTIONS}the_operators_servers_are_shown_with_their_source_and_reach_the_model",
        f"{DOMAINS}a_server_of_tools_that_is_not_allowed_is_refused_by_field",
    ],
    "000-U21": [
        f"{OPTIONS}the_operators_servers_are_shown_with_their_source_and_reach_the_model",
        f"{DOMAINS}a_server_of_tools_that_is_not_allowed_is_refused_by_field",
    ],
    "000-U22": [
        f"{REST}the_conversation_service_does_what_its_sixteen_tests_asked",
        f"{REST}the_chat_service_does_what_its_eleven_tests_asked",
        STRANGERS,
    ],
    "000-U23": [
        f"{REST}a_history_that_cannot_be_read_is_an_error_and_no_empty_list",
        f"{REST}the_chat_service_does_what_its_eleven_tests_asked",
    ],
    "000-E01": [
        f"{AGENTX}the_whole_set_of_requests_answers_under_its_names",
        "tests/doors/test_same_millisecond.py::test_requests_of_one_millisecond_are_all_answered",
        f"{WALK}a_burst_of_requests_is_answered_to_the_last",
    ],
    "000-E02": [COPIED, f"{IMAGES}custom_data_comes_back_as_it_was_whatever_it_is"],
    "000-E03": [CREATED, f"{AGENTX}what_tools_do_is_told_as_it_happens_and_once"],
    "000-E04": [f"{TALK}a_fork_and_a_title_over_the_socket", f"{AT_ONCE}forks_at_once_have_the_same_past_and_lives_of_their_own"],
    "000-E05": [
        f"{OPTIONS}the_options_of_a_send_reach_the_model_for_this_reply_alone",
        f"{AGENTX}what_tools_do_is_told_as_it_happens_and_once",
    ],
    "000-E06": [
        f"{REST}every_way_in_which_a_reply_can_fail_has_a_code_a_category_and_says_whether_to_try_again",
        f"{REST}a_message_that_cannot_be_stored_is_asked_of_no_model",
        "tests/llm/test_breaker.py::test_five_failures_in_a_row_open_it_and_one_success_after_the_pause_closes_it",
    ],
    "000-E07": [
        f"{TALK}an_agent_that_was_destroyed_remembers_when_it_is_spoken_to_again",
        f"{TALK}usage_is_told_with_each_message_and_adds_up_over_tool_steps",
        f"{TALK}a_socket_says_what_functions_and_rest_say",
        f"{IMAGES}custom_data_comes_back_as_it_was_whatever_it_is",
        f"{OPTIONS}a_wrong_option_is_refused_by_its_name_and_nothing_is_written",
    ],
    "001-01": [COMPLETED, f"{TURNS}a_run_of_the_callers_own_making_is_completed_by_a_message_over_the_socket"],
    "001-02": [ONE_PLACE, COMPLETED],
    "001-03": [OWN_WORDS],
    "001-04": [RESUMED],
    "001-05": [RESUMED],
    "001-06": [RESUMED, OWN_WORDS],
    "001-07": [f"{ADAPTER}a_callback_is_refused_with_what_replaces_it"],
    "001-08": [
        f"{ADAPTER}what_is_not_said_has_a_default_and_a_warning",
        f"{NEWS}a_reply_that_is_ready_is_told_in_every_browser_of_its_user_and_in_nobody_elses",
    ],
    "001-09": [OWN_WORDS, f"{AGENT_RUNS}an_instruction_of_ones_own_is_the_images_or_this_replys_alone"],
    "001-10": [COMPLETED, f"{RUNS}a_run_has_one_reply_and_one_conversation"],
    "001-11": [BY_TYPE],
    "001-12": [ONE_PLACE, STARTED],
    "001-13": [ONE_PLACE, STARTED],
    "001-14": [ONE_PLACE],
    "001-15": [STARTED],
    "001-16": [STARTED],
    "001-17": [
        COMPLETED,
        f"{RUNS}a_reply_that_is_being_written_is_the_runs_that_is_linked_to_it",
        f"{RACES}a_link_before_any_write_of_the_writer_leaves_no_run_running",
    ],
    "001-18": [f"{NEWS}a_reply_that_is_ready_is_told_in_every_browser_of_its_user_and_in_nobody_elses"],
    "001-19": [f"{ADAPTER}active_sessions_are_listed_to_whose_they_are_and_all_to_the_orgs_backend"],
    "001-20": [OWN_WORDS, BY_TYPE],
    "001-21": [COMPLETED, f"{CONTROLS}a_resumed_conversation_is_no_new_session"],
    "001-22": [f"{ADAPTER}the_room_of_the_models_sdk_knows_no_lifecycle"],
    "001-23": [RESUMED, STARTED],
    "001-24": [RESUMED, f"{CONTROLS}a_resumed_conversation_is_no_new_session"],
    "001-25": [BY_TYPE, "tests/web/test_domains.py::test_an_agents_run_is_seen_live_in_two_windows"],
    "001-26": [COMPLETED, f"{TURNS}implementation_is_followed_by_a_review_that_ends_the_workflow_and_who_watches_is_told"],
    "001-27": [
        STARTED,
        f"{TURNS}implementation_is_followed_by_a_review_that_ends_the_workflow_and_who_watches_is_told",
        f"{CONTROLS}a_tasks_subscribers_hear_of_its_conversations_and_runs",
    ],
    "001-28": [
        f"{NEWS}the_commit_that_ends_a_reply_schedules_its_telling_and_that_one_job_per_browser",
        "tests/push/test_sender.py::test_a_message_arrives_and_only_its_browser_can_open_it",
    ],
    "001-U01": [f"{ADAPTER}a_conversation_is_of_exactly_one_task_or_agent", f"{RUNS}a_run_has_one_reply_and_one_conversation"],
    "001-U02": [
        f"{ADAPTER}what_is_not_said_has_a_default_and_a_warning",
        f"{ADAPTER}a_callback_is_refused_with_what_replaces_it",
        f"{AT_ONCE}a_conversations_own_id_is_taken_once",
        f"{OPTIONS}the_adapter_takes_images_and_options",
    ],
    "001-U03": [
        STARTED,
        f"{CONTROLS}a_resumed_conversation_is_no_new_session",
        f"{CONTROLS}a_reply_that_fails_is_told_as_an_error_and_has_ended",
        f"{CONTROLS}tools_are_told_as_they_are_used",
        f"{CONTROLS}a_tasks_subscribers_hear_of_its_conversations_and_runs",
    ],
    "001-U04": [
        f"{ADAPTER}errors_are_404_and_400_with_the_documents_sentences_at_the_rest_door",
        f"{AGENT_RUNS}errors_are_the_documents_sentences",
        f"{RUNS}a_run_that_takes_too_long_has_failed",
    ],
    "001-U05": [
        COMPLETED,
        f"{RUNS}a_run_fails_with_its_reply_also_before_the_first_token",
        f"{RUNS}a_run_that_is_given_no_reply_has_failed_in_a_minute",
    ],
    "001-U06": [
        f"{RUNS}a_stopped_run_is_aborted_before_and_while_it_is_written",
        f"{RACES}of_eight_stops_at_once_one_has_stopped_it",
        f"{RACES}a_stop_before_any_write_of_the_writer_leaves_one_end",
        f"{ADAPTER}an_unknown_or_foreign_session_cannot_be_aborted",
        f"{TURNS}a_second_run_is_409_and_stopping_over_the_socket_frees_the_task",
        f"{ADAPTER}active_sessions_are_listed_to_whose_they_are_and_all_to_the_orgs_backend",
    ],
    "001-U07": [
        f"{RACES}of_two_chains_at_once_one_starts_the_review",
        f"{RACES}a_chain_and_a_person_at_once_start_one_run",
        f"{RACES}a_workflow_that_is_completed_before_the_second_is_over_is_not_followed",
        f"{AGENT_RUNS}implementation_and_review_take_turns_until_the_review_is_content",
        f"{AGENT_RUNS}a_chain_that_cannot_start_is_recorded_as_a_failed_run",
        f"{AGENT_RUNS}a_plan_is_followed_by_nothing",
    ],
    "001-U08": [
        f"{RACES}of_twenty_starts_at_once_one_takes_place_and_the_others_are_409",
        f"{TURNS}a_second_run_is_409_and_stopping_over_the_socket_frees_the_task",
        f"{RUNS}a_run_that_is_given_no_reply_has_failed_in_a_minute",
    ],
    "001-U09": [f"{ADAPTER}a_conversation_or_a_run_begins_a_task_once", f"{NEWS}the_badge_is_the_number_of_tasks_in_progress"],
    "001-U10": [
        f"{ADAPTER}a_start_that_is_refused_leaves_nothing",
        f"{ADAPTER}errors_are_404_and_400_with_the_documents_sentences_at_the_rest_door",
        f"{DOORS}a_conversation_of_a_task_may_be_made_before_anything_is_said",
        f"{DOORS}a_session_is_named_as_its_writer_calls_it",
        "tests/acceptance/test_001_links.py::test_a_tasks_subscriber_hears_of_a_linked_chat_from_its_link_on",
        f"{DOORS}messages_are_listed_by_limit_and_offset_from_the_newest",
        COMPLETED,
    ],
    "001-U11": [
        f"{CONTROLS}who_unsubscribes_hears_no_more_and_others_go_on",
        f"{TALK}a_socket_that_closes_takes_its_subscriptions_with_it_and_stops_nothing",
        f"{CONTROLS}a_new_conversation_over_the_socket_is_refused",
        f"{CONTROLS}stopping_over_the_socket_ends_the_reply_and_closing_it_does_not",
    ],
    "001-U12": [
        f"{AT_ONCE}a_cron_agent_that_is_due_is_started_once_however_many_look",
        f"{SCHEDULES}a_cron_agent_that_still_runs_is_left_out_and_not_piled_up",
        f"{SCHEDULES}an_expression_that_is_none_is_refused_by_its_field",
        f"{DOORS}a_schedule_is_looked_at_over_rest",
    ],
    "001-U13": [
        f"{NEWS}what_a_user_is_told_follows_from_how_it_ended",
        f"{NEWS}the_titles_are_the_documents_words",
        f"{NEWS}agents_that_take_turns_are_told_of_once_at_the_end",
        f"{NEWS}the_badge_is_the_number_of_tasks_in_progress",
        f"{PUSH}a_browser_that_is_gone_is_forgotten",
    ],
    "001-U14": [
        f"{ADAPTER}an_image_that_was_sent_is_never_a_file_and_goes_with_its_conversation",
        f"{OPTIONS}an_image_is_shown_to_the_model_and_again_in_the_next_turn",
    ],
    "001-U15": [
        RESUMED,
        COMPLETED,
        STARTED,
        f"{CONTROLS}who_unsubscribes_hears_no_more_and_others_go_on",
        f"{SCHEDULES}a_cron_agent_runs_when_it_is_due_once_whoever_looks",
        f"{NEWS}what_a_user_is_told_follows_from_how_it_ended",
        f"{AGENT_RUNS}implementation_and_review_take_turns_until_the_review_is_content",
    ],
    "001-U16": [
        f"{RUNS}a_run_fails_with_its_reply_also_before_the_first_token",
        f"{RUNS}a_stopped_run_is_aborted_before_and_while_it_is_written",
        f"{RUNS}a_death_of_the_writer_at_any_write_leaves_no_run_running",
        f"{ADAPTER}a_run_goes_on_in_another_process_after_a_restart",
        f"{ADAPTER}who_comes_late_hears_an_agents_reply_from_its_beginning",
        f"{ADAPTER}two_sends_at_once_are_two_turns_and_never_two_writers",
    ],
    "003-36": [
        f"{SDK}immutable.py::test_a_client_written_from_the_document_works",
        "tests/doors/test_rest_stores.py::test_versions_are_stored_read_found_and_purged_over_rest",
        f"{STORES}immutable_access.py::test_strangers_learn_nothing_in_any_function",
    ],
    "003-37": [
        f"{SDK}mutable.py::test_a_client_written_from_the_document_works",
        "tests/doors/test_rest_stores.py::test_a_value_is_set_read_counted_changed_and_deleted_over_rest",
        f"{STORES}mutable_access.py::test_strangers_learn_nothing_in_any_function",
    ],
    "003-U11": [
        f"{STORES}immutable_access.py::test_of_fifty_stores_at_once_each_is_a_version_of_its_own",
        f"{STORES}immutable.py::test_each_store_is_a_version_and_old_ones_never_change",
        f"{STORES}immutable.py::test_a_moment_shows_the_version_that_was_the_newest_then",
        f"{STORES}immutable.py::test_old_versions_are_purged_and_numbers_stay",
        f"{STORES}immutable.py::test_the_newest_data_are_found_by_their_words",
    ],
    "003-U12": [
        f"{STORES}mutable_transactions.py::test_of_a_hundred_increments_at_once_none_is_lost",
        f"{STORES}mutable_transactions.py::test_a_transaction_with_one_bad_operation_leaves_nothing",
        f"{SDK}mutable.py::test_updates_at_once_lose_no_change",
    ],
    "003-38": [
        STORED,
        f"{MEMORY_RULES}words_are_found_at_once_and_the_meaning_when_the_row_says_so",
        f"{MEMORY_RULES}words_and_meaning_together_put_first_what_is_first_in_both",
        f"{MEMORY_RULES}filters_that_no_index_knows_still_find_as_many_as_there_are",
        f"{MEMORY_SDK}a_search_is_live",
    ],
    "003-39": [
        ONE_TURN,
        f"{MEMORIES}an_erasure_of_a_user_is_one_receipt_over_all_layers",
        f"{MEMORIES}a_space_keeps_its_memories_for_a_time",
        f"{MEMORY_OF}what_fits_a_question_is_recalled_with_a_text_for_a_model",
        f"{MEMORY_OF}forgetting_takes_the_memory_and_its_facts_and_leaves_the_conversation",
        f"{MEMORY_ERASED}many_memories_are_erased_in_steps_that_each_fit_a_commit",
        f"{MEMORY_ERASED}an_erasure_that_nobody_carries_on_is_carried_on_by_the_sweep",
    ],
    "003-40": [
        STORED,
        f"{MEMORY_SDK}a_memory_is_stored_found_changed_put_away_and_deleted",
        f"{MEMORY_SDK}what_is_wrong_is_told_before_any_request",
        "tests/doors/test_rest_memories.py::test_a_memory_from_its_storing_to_its_deletion",
    ],
    "003-U13": [
        STORED,
        f"{MEMORIES}isolation_by_space_and_by_user",
        f"{MEMORY_RULES}changes_at_once_are_versions_without_gap_or_repeat",
        f"{MEMORY_RULES}what_is_archived_is_in_no_list_and_no_search_and_comes_back_as_it_was",
        f"{MEMORY_RULES}a_deleted_conversation_takes_its_references_away_and_leaves_the_memory",
        "tests/functions/test_strangers.py::test_strangers_get_the_answer_for_a_random_name",
    ],
    "003-U14": [
        f"{MEMORIES}facts_that_come_at_once_leave_one_that_is_held",
        f"{MEMORY_OF}a_newer_fact_supersedes_and_the_same_confirms",
    ],
    "003-U15": [
        ONE_TURN,
        f"{MEMORY_OF}what_was_forgotten_is_not_remembered_again_by_a_late_repetition",
        f"{MEMORY_SDK}a_stream_that_breaks_off_is_kept_as_was_said",
        f"{MEMORY_SDK}a_retry_that_succeeds_remembers_the_whole_once",
    ],
    "003-U19": [
        f"{MEMORIES}counts_are_lists_after_changes_at_once",
        f"{MEMORY_RULES}counts_agree_with_lists_whatever_happens",
        f"{STORES}mutable_lists.py::test_counts_are_the_lengths_of_lists_whatever_happens",
        f"{STORES}immutable.py::test_counts_are_the_lengths_of_lists_whatever_happens",
    ],
}

DIFFERENT: dict[str, str] = {
    "000-U05": "A conversation's id begins with `conv-`, as all of them do; it is active, closed or archived.",
    "000-U17": "The limit is GENERATION_TIMEOUT_S, 840 seconds unless the operator says otherwise.",
    "001-07": "There are no callbacks: whoever watches is told.",
    "001-U04": "A session is made with its conversation, so none can be without an id, and its making cannot take too long.",
    "003-39": "Messages are not taken out of a log one by one: forgetting with the conversation deletes it whole, or is refused.",
    "003-U15": "There is no resume token: the turn's own key goes on, and `getPart` has what came.",
    "001-U14": "An image is never a file; it is kept with the reply that it was asked with, and erased with the conversation.",
}
"""Where something else than the requirement's own way is done on purpose; the row's tests show what."""
