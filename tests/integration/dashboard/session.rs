//! A browser's session, without a browser.

use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder};

use crate::harness::{Answer, TestApp};

/// A client that follows nothing and keeps its cookie by itself.
pub(super) struct Session {
    client: Client,
    base: String,
    pub(super) cookie: String,
    pub(super) csrf: String,
}

/// A client that follows no redirect.
pub(super) fn client() -> Client {
    andera_lb::upstream::install_crypto_provider();
    Client::builder().no_proxy().redirect(Policy::none()).pool_max_idle_per_host(0).build().unwrap()
}

/// Hands the form of the login in.
pub(super) async fn hand_in(app: &TestApp, key: &str, headers: &[(&str, &str)]) -> Answer {
    let form = format!("next=%2Fdashboard%2Flogs&key={key}");
    let request = client().post(format!("{}/dashboard/login", app.url)).body(form);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    Answer::of(request.send().await.unwrap()).await
}

impl Session {
    /// Logs in, and reads the token off a page.
    pub(super) async fn begin(app: &TestApp, key: &str) -> Self {
        let answer = hand_in(app, key, &[]).await;
        assert_eq!((answer.status, answer.header("location")), (303, Some("/dashboard/logs")), "{}", answer.text());
        let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let mut session = Self { client: client(), base: app.url.clone(), cookie, csrf: String::new() };
        let page = session.get("/dashboard").await;
        let (_, token) = page.text().split_once(r#"name="csrf-token" content=""#).unwrap();
        token.split('"').next().unwrap().clone_into(&mut session.csrf);
        session
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).header("cookie", &self.cookie)
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path).send().await.unwrap()).await
    }

    /// The same, with another method.
    pub(super) async fn send(&self, method: Method, path: &str) -> Answer {
        Answer::of(self.request(method, path).header("x-csrf-token", &self.csrf).send().await.unwrap()).await
    }

    /// An action, with the token of the page.
    pub(super) async fn act(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::POST, path).header("x-csrf-token", &self.csrf).send().await.unwrap()).await
    }
}
