//! RFC 6749: The OAuth 2.0 Authorization Framework.

use super::*;

mod s4_1_authorization_code {
    use super::*;

    #[test]
    fn a_code_is_redeemed_for_tokens() {
        with_server(async |s| {
            let answer = Browser::new(s).sign_in(&request("spa"), ALICE).await;
            assert_eq!(answer.uri, CALLBACK);
            assert_eq!(answer.get("state"), Some("af0ifjsldkj"));
            assert_eq!(answer.get("iss"), Some(s.issuer()));
            let response = s.redeem("spa", &answer.code()).await;
            assert_eq!(header(&response, "cache-control"), "no-store");
            let tokens = Tokens::of(&response);
            assert_eq!(tokens.body["token_type"], "Bearer");
            assert_eq!(tokens.body["expires_in"], 600);
            assert_eq!(tokens.body["scope"], "openid read");
        });
    }

    #[test]
    fn a_code_of_another_client_is_invalid_grant() {
        with_server(async |s| {
            let code = s.code("app").await;
            s.redeem("other", &code).await.refused(400, "invalid_grant");
            s.redeem("app", &code).await.ok();
        });
    }
}

mod s6_refreshing {
    use super::*;

    #[test]
    fn a_token_of_another_client_is_invalid_grant() {
        with_server(async |s| {
            let tokens = s.tokens("app").await;
            s.refresh("other", tokens.refresh()).await.refused(400, "invalid_grant");
            s.refresh("app", tokens.refresh()).await.ok();
        });
    }
}
