import HTTPServing
import HTTPWire
import ModelBackends
import StrictJSON

/// Routes that go on to an upstream without a judgement: the list of models, and what the configuration names.
extension Endpoints {
  func passThrough(_ passthrough: Upstream.Passthrough, prefix: String, _ request: ServerRequest) -> Answer {
    .later {
      guard let permit = await Permit.take(from: self.chats.gate) else { return APIError.overloaded.response() }
      do throws(APIError) {
        return try await self.passed(passthrough, prefix, request, permit)
      } catch {
        return error.response()
      }
    }
  }

  private func passed(
    _ passthrough: Upstream.Passthrough, _ prefix: String, _ request: ServerRequest, _ permit: Permit
  ) async throws(APIError) -> ServerResponse {
    var hosts = chats.upstreams.hosts.filter { host in
      host.upstream.prefix == prefix && (passthrough == .models || host.upstream.passthrough.contains(passthrough))
    }
    if passthrough == .models {
      // Both families have a list of models at the same path.
      let family: Upstream.Family = request.head.headers.contains("anthropic-version") ? .anthropic : .openai
      hosts = hosts.filter { $0.upstream.family == family } + hosts.filter { $0.upstream.family != family }
    }
    let body = passthrough.method == "GET" ? nil : try await body(of: request)
    let head = request.head
    let target = passthrough.path + (head.query.map { "?" + $0 } ?? "")
    let (answer, host): (UpstreamAnswer, UpstreamPool.Host)
    do throws(UpstreamPool.Failure) {
      (answer, host) = try await chats.upstreams.send(hosts) { host in
        UpstreamCall(
          host, url: host.upstream.url + target, method: passthrough.method, head: head, body: body)
      }
    } catch { throw APIError(error) }
    var headers: [(name: String, value: String)] = []
    if passthrough != .models {
      chats.metrics.passedThrough()
      headers.append(("x-paddock-judged", "no"))
    }
    if let type = answer.headers.values("content-type").last { headers.append(("Content-Type", type)) }
    var response = ServerResponse(status: answer.status, headers: headers)
    response.lines = ChatHeaders.incoming(answer.headers, of: host)
    response.stream = { writer in
      await Self.copy(answer, to: writer)
      withExtendedLifetime(permit) {}
    }
    return response
  }

  private static func copy(_ answer: UpstreamAnswer, to writer: ResponseWriter) async {
    do {
      while let bytes = try await answer.next() { try await writer.write(bytes) }
    } catch {
      answer.cancel()
      // What broke off must not look whole.
      writer.abort()
    }
  }
}

extension Upstream.Passthrough {
  /// What clients ask before they chat.
  static let models = Upstream.Passthrough(method: "GET", path: "/models")
}
